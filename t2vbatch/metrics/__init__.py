"""Scores of single videos.

``protocol.py`` defines what a metric is, ``registry.py`` lists the built-in metrics, each metric has its
own file, ``networks/`` loads trained networks, and ``scorer.py`` runs the metrics on a video. Importing
this package loads neither torch nor a network; importing ``t2vbatch.metrics.scorer`` loads torch.
"""

from t2vbatch.metrics.protocol import Column, Evidence, Metric, UnscorableError, Weights
from t2vbatch.metrics.registry import (
    METRICS,
    check_metrics,
    job_clip,
    job_metrics,
    known_metrics,
    metric_columns,
)

__all__ = [
    "METRICS",
    "Column",
    "Evidence",
    "Metric",
    "UnscorableError",
    "Weights",
    "check_metrics",
    "job_clip",
    "job_metrics",
    "known_metrics",
    "metric_columns",
]
