"""How many GPUs this machine has, and how many a worker takes."""

import sys
from pathlib import Path

from t2vbatch.errors import JobError
from t2vbatch.job import Job

_DRIVERS = ("nvidia[0-9]*", "nvidiactl", "kfd", "dxg")
"""Files below /dev of the drivers of NVIDIA and AMD, and of WSL. A Linux machine without them has no GPU."""


def local_gpus() -> int:
    """GPUs of this machine that torch can use."""
    if sys.platform == "linux" and not any(next(Path("/dev").glob(name), None) for name in _DRIVERS):
        return 0
    # Imported here: torch takes seconds, and a plan on a machine without GPUs does not need it.
    import torch

    return torch.cuda.device_count()


def cpus_each(job: Job) -> int:
    """CPUs that each worker takes: its own, of which one finishes videos, and those of more finishing
    threads."""
    more = 0 if job.workers.finish == "auto" else job.workers.finish - 1
    return job.workers.cpus + more


def gpus_each(job: Job, available: float) -> float:
    """GPUs that each worker takes.

    Raises:
        JobError: the job asks for more GPUs than are available.
    """
    asked = job.workers.gpus
    if asked == "auto":
        return 1.0 if available else 0.0
    if asked > available:
        raise JobError(
            "workers.gpus",
            f"{asked:g}",
            f"at most {available:g}, the number of GPUs here",
            "write gpus: auto, or run on a machine with GPUs",
        )
    return asked


def budget_s(job: Job, gpus: float) -> float | None:
    """Seconds of all workers together that the job's budget allows; None without a budget.

    Raises:
        JobError: the job has a budget of GPU hours, and its workers take no GPUs.
    """
    hours = job.budget.hours
    if hours is None:
        return None
    if not gpus:
        raise JobError(
            "budget",
            f"{hours:g} GPU hours for workers without a GPU",
            "no budget, or workers with GPUs",
            "remove the budget, or run on a machine with GPUs",
        )
    return 3600 * hours / gpus
