"""Which engine a job runs on."""

from t2vbatch.engines import Engine
from t2vbatch.job import Job


def engine_for(job: Job) -> Engine:
    """The job's engine, not started yet. Ray is imported only where it is asked for: it takes seconds."""
    if job.engine == "inline":
        from t2vbatch.engines.inline import InlineEngine

        return InlineEngine()
    from t2vbatch.engines.ray import RayEngine

    return RayEngine()
