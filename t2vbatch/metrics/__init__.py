"""Scores: the protocol of a metric, a dict of all metrics, one file a metric, and what loads and runs them.

Importing this package loads neither torch nor a network; ``t2vbatch.metrics.scorer`` does.
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
