"""Engines start workers and feed them; t2vbatch.schedule decides who does what next.

``inline`` runs everything in this process, ``ray`` in actors. ``loop`` drives both.
"""

from t2vbatch.engines.protocol import Ending, Engine, Progress, RunCallbacks
from t2vbatch.job import Job

__all__ = ["Ending", "Engine", "Progress", "RunCallbacks", "engine_for"]


def engine_for(job: Job) -> Engine:
    """The job's engine, not started yet. Ray is imported only where it is asked for: it takes seconds."""
    if job.engine == "inline":
        from t2vbatch.engines.inline import InlineEngine

        return InlineEngine()
    from t2vbatch.engines.ray import RayEngine

    return RayEngine()
