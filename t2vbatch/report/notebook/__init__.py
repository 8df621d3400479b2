"""A run's results in a notebook: ``t2vbatch.Results("runs/quickstart")`` as the last line of a cell.

The output is one piece of HTML that contains its videos, so that a saved notebook shows them on any machine.
"""

from t2vbatch.report.notebook.gallery import Gallery
from t2vbatch.report.notebook.results import Results

__all__ = ["Gallery", "Results"]
