"""Exchange with other tools: import of their prompt lists and scores, export of videos in their layouts.

CSV, JSON Lines and Parquet lists (Open-Sora, CogVideo, Hugging Face datasets) need no import: they are valid
manifests, with the column names of those tools.
"""

from t2vbatch.exchange.exports import LAYOUTS, export
from t2vbatch.exchange.imports import FORMATS, import_manifest
from t2vbatch.exchange.scores import import_scores

__all__ = ["FORMATS", "LAYOUTS", "export", "import_manifest", "import_scores"]
