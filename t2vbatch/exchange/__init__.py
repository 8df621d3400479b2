"""Exchange with other tools: prompt lists and scores in, videos and scores out in their layouts.

CSV, JSON Lines and Parquet lists (Open-Sora, CogVideo, Hugging Face datasets) need no import: they are valid
manifests, with the column names of those tools.
"""

from t2vbatch.exchange.evaluations import EVALUATIONS, EvaluatedRun, export_evaluations
from t2vbatch.exchange.exports import LAYOUTS, export
from t2vbatch.exchange.imports import FORMATS, import_manifest
from t2vbatch.exchange.scores import import_scores

__all__ = [
    "EVALUATIONS",
    "FORMATS",
    "LAYOUTS",
    "EvaluatedRun",
    "export",
    "export_evaluations",
    "import_manifest",
    "import_scores",
]
