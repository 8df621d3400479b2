"""Every key of a job; reading, overriding and validating a job file."""

from t2vbatch.job.job import Job, dump_job, keys
from t2vbatch.job.load import OF_MANIFEST, Draft, load_draft, load_job, parse_job, parse_known_keys
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
    "OF_MANIFEST",
    "Clip",
    "Columns",
    "Distance",
    "Draft",
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
    "load_draft",
    "load_job",
    "parse_job",
    "parse_known_keys",
]
