"""The report of a run: a folder of static HTML that opens from disk, without a server or a network.

::

    report/index.html           the summary of the run and the frame of the page
    report/data.js              all samples, as a script: a page on disk cannot fetch other files
    report/posters/DIGEST.jpg   six frames of each video in a row; DIGEST is the digest of its frames
    report/inputs/DIGEST.jpg    small copies of the input images of rows
    report/page.js, page.css    the scripts and styles of the page

The page links to the videos by ``../videos/...``. The folder can be deleted and written again at any time.
"""

from t2vbatch.report.page import write_report

__all__ = ["write_report"]
