"""To and from other tools: their prompt lists as manifests, our videos in the layouts that they read.

CSV, JSON Lines and Parquet lists (Open-Sora, CogVideo, Hugging Face datasets) need no import: a manifest
reads them as they are, with the column names of those tools.
"""

from t2vbatch.exchange.exports import LAYOUTS, export
from t2vbatch.exchange.imports import FORMATS, import_manifest
from t2vbatch.exchange.scores import import_scores

__all__ = ["FORMATS", "LAYOUTS", "export", "import_manifest", "import_scores"]
