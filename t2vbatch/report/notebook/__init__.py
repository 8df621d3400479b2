"""A run's results in a notebook: ``t2vbatch.Results("runs/quickstart")`` as the last line of a cell.

What is shown is one piece of HTML with its videos inside, so that a saved notebook shows it anywhere.
"""

from t2vbatch.report.notebook.gallery import Gallery
from t2vbatch.report.notebook.results import Results

__all__ = ["Gallery", "Results"]
