"""A run as a folder of static HTML that opens from disk: no server, no network, nothing to install.

::

    report/index.html           what the run came to, and the page's frame
    report/data.js              every sample, as a script, because a page on disk may not fetch
    report/posters/DIGEST.jpg   a few frames of each video side by side, named by the video's frames
    report/*.js, *.css          the page's own code

Videos are linked where they lie, ``../videos/...``; delete the folder and write it again at any time.
"""

from t2vbatch.report.page import write_report

__all__ = ["write_report"]
