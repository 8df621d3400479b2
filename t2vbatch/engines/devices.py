"""How many GPUs there are, and how many of them a worker takes."""

from t2vbatch.errors import JobError
from t2vbatch.job import Job


def local_gpus() -> int:
    """GPUs of this machine that torch can use."""
    # Here, because a worker's process imports its engine too, and torch's seconds belong to loading a model.
    import torch

    return torch.cuda.device_count()


def gpus_each(job: Job, available: float) -> float:
    """GPUs that each worker takes.

    Raises:
        JobError: the job asks for GPUs where there are none.
    """
    asked = job.workers.gpus
    if asked == "auto":
        return 1.0 if available else 0.0
    if asked > available:
        raise JobError(
            "workers.gpus",
            f"{asked:g}",
            f"at most {available:g}, which is what there is",
            "write gpus: auto, or run where the GPUs are",
        )
    return asked
