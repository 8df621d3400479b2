"""Same seed, same pixels: torch's settings, and every source of random numbers that a pipeline may use.

diffusers takes a generator and mostly uses it; some pipelines also use the global random numbers of torch,
numpy or Python. A CPU generator gives the same noise on every device.
"""

import os
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from t2vbatch.errors import RowError


def set_up_torch(threads: int) -> None:
    """Make torch's arithmetic bit-equal in repeated runs of this process. Call it before CUDA is used.

    Args:
        threads: CPU threads; sums are grouped by thread, so that another number gives other bits.
    """
    # cuBLAS reads this when it is initialised; only with a fixed workspace are its results repeatable.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # An operation without a deterministic form must not end a run; torch would warn at each call.
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    # Filling fresh memory makes reads of unwritten memory visible, and costs a pass over every tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """A fresh CPU generator for each seed (int64). A pickled generator loses its state: send the integer."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


@contextmanager
def seeded(seeds: Sequence[int]) -> Iterator[None]:
    """Seed the global random numbers for one call.

    Raises:
        RowError: a call for several samples used them, so that the samples depend on one another.
    """
    seed = seeds[0]
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    before = _state()
    yield
    if len(seeds) > 1 and _state() != before:
        raise RowError(
            "this pipeline uses the global random numbers, so that the samples of a batch depend on "
            "one another; set batch: 1"
        )


@contextmanager
def own_random_state(seed: int) -> Iterator[None]:
    """Within the block the global random numbers start from ``seed``; afterwards they continue as before."""
    python, legacy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


def _state() -> tuple[object, ...]:
    numpy_state: Any = np.random.get_state(legacy=False)["state"]
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states.append(torch.cuda.get_rng_state())
    return (
        random.getstate(),
        numpy_state["key"].tobytes(),
        numpy_state["pos"],
        *(state.numpy().tobytes() for state in states),
    )
