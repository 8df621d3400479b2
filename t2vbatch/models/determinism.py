"""Same seed, same pixels: torch's switches, and every source of random numbers a pipeline may draw from.

Diffusers asks for a generator and mostly uses it; some pipelines draw from torch's, numpy's or Python's own
numbers besides. A CPU generator gives one noise on every device.
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
    """Make torch's arithmetic repeat itself, bit by bit, in this process. Call it before CUDA is used.

    Args:
        threads: CPU threads; sums are grouped by thread, so that another number gives other bits.
    """
    # cuBLAS reads this when it is initialised, and repeats itself with a fixed workspace only.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # An operation that has no deterministic form must not end a run; torch warns of each call.
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    # Filling fresh memory guards against reading it unwritten, and costs a pass over every tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """A fresh CPU generator a seed (int64). A pickled one forgets its state, so integers travel instead."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


@contextmanager
def seeded(seeds: Sequence[int]) -> Iterator[None]:
    """Seed the global random numbers for one call.

    Raises:
        RowError: when a call for several samples drew from them, as the samples then depend on one another.
    """
    seed = seeds[0]
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    before = _state()
    yield
    if len(seeds) > 1 and _state() != before:
        raise RowError(
            "this pipeline draws from the global random numbers, so that the samples of a batch depend on "
            "one another; set batch: 1"
        )


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
