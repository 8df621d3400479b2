"""Every key of a job; reading, overriding and validating a job file."""

from t2vbatch.job.job import Job, dump_job, keys, load_job, parse_job
from t2vbatch.job.sections import (
    COLUMNS,
    LIMITS,
    MEDIA_ACCESS,
    Clip,
    Columns,
    Distance,
    Expected,
    Limits,
    MediaAccess,
    Model,
    Ray,
    Tracker,
    VideoFile,
    Workers,
)

__all__ = [
    "COLUMNS",
    "LIMITS",
    "MEDIA_ACCESS",
    "Clip",
    "Columns",
    "Distance",
    "Expected",
    "Job",
    "Limits",
    "MediaAccess",
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
