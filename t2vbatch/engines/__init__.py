"""Engines start workers and give them units; t2vbatch.schedule decides which.

``inline`` runs everything in this process, ``ray`` in actors. Both use the loop in ``loop``.

::

    protocol       Engine, and what it asks of a run
    loop           events to the scheduler, its actions to a backend
    inline         a backend in this process
    ray            a backend of Ray actors
      ray_cluster  the connection to Ray
    worker_process the code inside a worker's process
    devices        GPUs and CPUs of a worker
    interrupts     Ctrl-C and SIGTERM, counted
"""

from t2vbatch.engines.protocol import Ending, Engine, Progress, RunCallbacks
from t2vbatch.job import Job

__all__ = ["Ending", "Engine", "Progress", "RunCallbacks", "engine_for"]


def engine_for(job: Job) -> Engine:
    """The job's engine, not started yet. Ray, whose import takes seconds, is imported only if needed."""
    if job.engine == "inline":
        from t2vbatch.engines.inline import InlineEngine

        return InlineEngine()
    from t2vbatch.engines.ray import RayEngine

    return RayEngine()
