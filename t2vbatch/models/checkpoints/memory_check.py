"""Whether there is room for a model: its files on the disk, its weights in memory. Asked before it is loaded.

Owns saying what is short. Weights are counted alone: what a call needs besides depends on frames and
pixels, and shows when it runs. A model that does not fit by this count never fits; one that does may not
fit either.
"""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch
from huggingface_hub import constants

from t2vbatch.errors import MemoryExceededError, ModelError
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.settings import DENOISERS, OFFLOADS
from t2vbatch.models.checkpoints.sizes import NUMBER_BYTES, PartSize, part_sizes
from t2vbatch.models.facts import memory_settings
from t2vbatch.models.plugins import is_diffusers, resolve_class
from t2vbatch.models.protocol import ModelFacts

_GIB = 1 << 30

_LEAST_QUANTIZED_BYTES = 0.25
"""A number in two bits: no method of diffusers takes fewer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryProblem:
    """Something that there is too little of.

    Attributes:
        of: disk for the hub's cache; memory of the machine; memory of the device.
        where: the key of the job that would change it.
        sure: whether there is too little of it in all; otherwise others hold it now, and may give it back.
    """

    of: Literal["disk", "memory", "device"]
    where: str
    found: str
    fix: str
    sure: bool

    def error(self) -> ModelError:
        """The shortage as a refusal."""
        return ModelError(self.where, self.found, fix=self.fix)

    def __str__(self) -> str:
        return f"{self.where}: {self.found}; {self.fix}"


def memory_problems(spec: Model, facts: ModelFacts, device: str, probe: bool = True) -> list[MemoryProblem]:
    """What a worker that loads the model here onto ``device`` would lack.

    Args:
        probe: whether to ask the device, which starts CUDA in this process and takes some of its memory.

    Raises:
        ModelError: a part of the model has no weights that may be read.
    """
    if not is_diffusers(resolve_class("pipeline", facts.pipeline)):
        return []  # Nobody knows what a plug-in loads.
    sizes = part_sizes(spec, facts)
    found = [_disk(sizes), _memory(sizes, spec, device)]
    if probe and torch.device(device).type == "cuda":
        found.append(_device(sizes, spec, device))
    return [shortage for shortage in found if shortage is not None]


def check_room(spec: Model, facts: ModelFacts, device: str) -> None:
    """Refuse to load what cannot fit here; warn of what may not.

    Raises:
        ModelError: the disk or the machine's memory is too small, or a part has no weights that may be read.
        MemoryExceededError: the device is too small; with an offload, which a run tries by itself, it may do.
    """
    for shortage in memory_problems(spec, facts, device):
        if not shortage.sure:
            _log.warning("%s", shortage)
        elif shortage.of == "device":
            raise MemoryExceededError(str(shortage))
        else:
            raise shortage.error()


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
    found = f"{_gib(missing)} to fetch of {', '.join(repositories)}, and {_gib(free)} free in {cache}"
    return MemoryProblem(
        "disk", "path", found, "free some, or set HF_HOME to a folder on a larger disk", True
    )


def _partial_bytes(cache: Path, repository: str) -> int:
    """Bytes of files that another worker, or an earlier one, has fetched in part."""
    blobs = cache / f"models--{repository.replace('/', '--')}" / "blobs"
    begun = 0
    for file in blobs.glob("*.incomplete"):
        with contextlib.suppress(FileNotFoundError):  # It was just finished.
            begun += file.stat().st_size
    return begun


def _memory(sizes: Sequence[PartSize], spec: Model, device: str) -> MemoryProblem | None:
    """Of the machine, where weights lie there all the time: on a CPU, and when they are offloaded to it."""
    offloads = memory_settings(spec).keys() & OFFLOADS
    if torch.device(device).type != "cpu" and not offloads:
        return None
    needed, there = sum(_held(sizes, spec).values()), psutil.virtual_memory()
    if needed <= there.available:
        return None
    what = "for weights that are offloaded" if offloads else "for weights"
    found = f"{_gib(needed)} of memory {what}, and {_gib(there.available)} of {_gib(there.total)} free here"
    fix = "take a larger machine, fewer workers, a 16-bit dtype, or speed: {quantization: ...}"
    return MemoryProblem("memory", "memory", found, fix, needed > there.total)


def _device(sizes: Sequence[PartSize], spec: Model, device: str) -> MemoryProblem | None:
    held, offloads = _held(sizes, spec), memory_settings(spec).keys() & OFFLOADS
    if offloads - {"model_cpu_offload"} or not held:
        return None  # A layer at a time fits anywhere.
    largest = max(held, key=lambda part: held[part])
    needed = held[largest] if offloads else sum(held.values())
    free, total = torch.cuda.mem_get_info(device)
    if needed <= free:
        return None
    what = f"for the weights of {largest} alone" if offloads else "for weights"
    found = f"{_gib(needed)} of {device} {what}, and {_gib(free)} of {_gib(total)} free there"
    fix = "write memory: [sequential_cpu_offload], or group_offload, which hold some layers at a time"
    if not offloads:
        most = f"{largest} ({_gib(held[largest])}) at most"
        fix = f"write memory: [model_cpu_offload], which holds {most}; or {fix}"
    return MemoryProblem("device", "memory", found, fix, needed > total)


def _held(sizes: Sequence[PartSize], spec: Model) -> dict[str, int]:
    """Bytes of each part in memory at least, given how the job says that its numbers are kept."""
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
