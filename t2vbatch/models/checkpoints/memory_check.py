"""Checks, before a model is loaded, whether its files fit on the disk and its weights into memory.

This module owns the messages about too little space. Only weights are counted; the memory of a call depends
on frames and pixels and is known when the call runs. So a model that fails this check never fits, and a model
that passes it may still run out of memory.
"""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import psutil
from huggingface_hub import constants

from t2vbatch.errors import MemoryExceededError, NodeError
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.settings import DENOISERS, OFFLOADS
from t2vbatch.models.checkpoints.sizes import NUMBER_BYTES, PartSize, part_sizes
from t2vbatch.models.facts import memory_settings
from t2vbatch.models.pipelines import PipelineInfo
from t2vbatch.models.plugins import find_pipeline
from t2vbatch.models.protocol import ModelFacts

_GIB = 1 << 30

_LEAST_QUANTIZED_BYTES = 0.25
"""Two bits a number: no quantization method of diffusers uses fewer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryProblem:
    """Too little disk or memory for a model.

    Attributes:
        of: the disk of the Hub's cache, the machine's memory, or the device's memory.
        where: the key of the job that changes the need.
        sure: whether even the total is too small. False: other processes use it now and may free it.
    """

    of: Literal["disk", "memory", "device"]
    where: str
    found: str
    fix: str
    sure: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.found}; {self.fix}"


def memory_problems(spec: Model, facts: ModelFacts, device: str, probe: bool = True) -> list[MemoryProblem]:
    """The problems of a worker that loads the model on this machine onto ``device``.

    Args:
        probe: whether to ask the device for its memory. That starts CUDA in this process and uses some of it.

    Raises:
        ModelError: a part of the model has no weights, or only weights that must not be read.
    """
    if not isinstance(find_pipeline("pipeline", facts.pipeline), PipelineInfo):
        return []  # The memory of a plug-in is unknown.
    sizes = part_sizes(spec, facts)
    found = [_disk(sizes), _memory(sizes, spec, device)]
    if probe and device.startswith("cuda"):
        found.append(_device(sizes, spec, device))
    return [problem for problem in found if problem is not None]


def check_room(spec: Model, facts: ModelFacts, device: str) -> None:
    """Refuse a model that cannot fit; log a warning for one that may not fit.

    Raises:
        ModelError: a part has no weights that may be read.
        NodeError: this machine's disk or memory is too small; another node's may be large enough.
        MemoryExceededError: the device is too small without an offload; the run then tries offloads.
    """
    for problem in memory_problems(spec, facts, device):
        if not problem.sure:
            _log.warning("%s", problem)
        elif problem.of == "device":
            raise MemoryExceededError(str(problem))
        else:
            raise NodeError(str(problem))


def _disk(sizes: Sequence[PartSize]) -> MemoryProblem | None:
    repositories = sorted({size.repository for size in sizes if size.missing_bytes})
    cache = Path(constants.HF_HUB_CACHE)
    missing = sum(size.missing_bytes for size in sizes) - sum(
        _partial_bytes(cache, name) for name in repositories
    )
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if missing <= free:
        return None
    found = f"{_gib(missing)} to download of {', '.join(repositories)}, and {_gib(free)} free in {cache}"
    return MemoryProblem(
        "disk", "path", found, "free some space, or set HF_HOME to a folder on a larger disk", True
    )


def _partial_bytes(cache: Path, repository: str) -> int:
    """Bytes of the files that another or an earlier worker has downloaded in part."""
    blobs = cache / f"models--{repository.replace('/', '--')}" / "blobs"
    begun = 0
    for file in blobs.glob("*.incomplete"):
        with contextlib.suppress(FileNotFoundError):  # The download has just finished.
            begun += file.stat().st_size
    return begun


def _memory(sizes: Sequence[PartSize], spec: Model, device: str) -> MemoryProblem | None:
    """A problem with the machine's memory. Weights stay there on a CPU, and when they are offloaded."""
    offloads = memory_settings(spec).keys() & OFFLOADS
    if not device.startswith("cpu") and not offloads:
        return None
    needed, there = sum(_held(sizes, spec).values()), psutil.virtual_memory()
    if needed <= there.available:
        return None
    what = "for offloaded weights" if offloads else "for weights"
    found = (
        f"{_gib(needed)} of memory {what}; this machine has {_gib(there.available)} free "
        f"of {_gib(there.total)}"
    )
    fix = "use a larger machine, fewer workers, a 16-bit dtype, or speed: {quantization: ...}"
    return MemoryProblem("memory", "memory", found, fix, needed > there.total)


def _device(sizes: Sequence[PartSize], spec: Model, device: str) -> MemoryProblem | None:
    held, offloads = _held(sizes, spec), memory_settings(spec).keys() & OFFLOADS
    if offloads - {"model_cpu_offload"} or not held:
        return None  # These offloads hold one layer at a time.
    largest = max(held, key=lambda part: held[part])
    needed = held[largest] if offloads else sum(held.values())
    torch: Any = import_module("torch")
    free, total = torch.cuda.mem_get_info(device)
    # What an earlier model of this process left counts as used for the device, and torch uses it again.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if needed <= free:
        return None
    what = f"for the weights of {largest} alone" if offloads else "for weights"
    found = f"{_gib(needed)} of memory {what}; {device} has {_gib(free)} free of {_gib(total)}"
    fix = "set memory: [sequential_cpu_offload] or group_offload, which hold only some layers on the device"
    if not offloads:
        most = f"one part at a time, {largest} being the largest ({_gib(held[largest])})"
        fix = f"set memory: [model_cpu_offload], which holds {most}; or {fix}"
    return MemoryProblem("device", "memory", found, fix, needed > total)


def _held(sizes: Sequence[PartSize], spec: Model) -> dict[str, int]:
    """The least bytes of each part in memory, by the job's dtype, quantization and casting."""
    quantized = spec.speed.get("quantization", {})
    cast = DENOISERS if "layerwise_casting" in memory_settings(spec) else ()
    held = {}
    for size in sizes:
        number = NUMBER_BYTES[spec.dtype]
        kept = _LEAST_QUANTIZED_BYTES if size.part in quantized else 1 if size.part in cast else number
        held[size.part] = int(size.loaded_bytes * kept / number)
    return held


def _gib(count: int) -> str:
    return f"{count / _GIB:.1f} GiB"
