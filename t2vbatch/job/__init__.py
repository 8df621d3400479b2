"""Every key of a job; reading, overriding and validating a job file."""

from t2vbatch.job.job import Job, dump_job, keys, load_job, parse_job
from t2vbatch.job.sections import (
    COLUMNS,
    LIMITS,
    Clip,
    Columns,
    Distance,
    Limits,
    Model,
    Ray,
    Tracker,
    VideoFile,
    Workers,
)

__all__ = [
    "COLUMNS",
    "LIMITS",
    "Clip",
    "Columns",
    "Distance",
    "Job",
    "Limits",
    "Model",
    "Ray",
    "Tracker",
    "VideoFile",
    "Workers",
    "dump_job",
    "keys",
    "load_job",
    "parse_job",
]
