"""What this machine has for generating videos, and which packages are missing for which pipeline."""

import platform
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import psutil
from huggingface_hub import get_token

from t2vbatch.engines.devices import local_gpus
from t2vbatch.media.cpus import usable_cpus
from t2vbatch.media.encoding import encoder_versions
from t2vbatch.media.video import ffmpeg_version
from t2vbatch.models import hub_reachable, list_pipelines

_GIB = 1 << 30
# The weights of a text-to-video model are several GiB: with less free disk than this, a download may fail.
_LITTLE_DISK_BYTES = 20 * _GIB


@dataclass(frozen=True)
class Fact:
    """One fact about the machine; ``fine`` is False if it prevents something from running here."""

    name: str
    text: str
    fine: bool = True


@dataclass(frozen=True)
class Examination:
    """All facts."""

    facts: tuple[Fact, ...]


def examine() -> Examination:
    """Check devices, memory, disk, ffmpeg, the Hub and the packages that pipelines need."""
    return Examination((*_machine(), *_devices(), *_programs(), *_pipelines()))


def _machine() -> Iterator[Fact]:
    packages = ("torch", "diffusers", "transformers", "ray")
    yield Fact("t2vbatch", version("t2vbatch"))
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    yield Fact("python", f"{platform.python_version()}, {versions}")
    memory = psutil.virtual_memory()
    yield Fact("memory", f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free")
    yield Fact("cpus", f"{usable_cpus()} available to this process")
    disk = shutil.disk_usage(".")
    yield Fact("disk", f"{disk.free / _GIB:.0f} GiB free here", disk.free > _LITTLE_DISK_BYTES)


def _devices() -> Iterator[Fact]:
    if not local_gpus():
        built = ", because it was built without CUDA" if version("torch").endswith("+cpu") else ""
        slow = "on the CPU small models are slow and large models take hours"
        yield Fact("gpu", f"torch finds no GPU{built}; {slow}", False)
        return
    # Imported here: torch takes seconds, and a machine without a GPU does not need it for an answer.
    import torch

    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        yield Fact("gpu", f"{index}: {device.name}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free")


def _programs() -> Iterator[Fact]:
    encoders = ", ".join(f"{name} {version}" for name, version in encoder_versions().items())
    yield Fact("video encoder", encoders)
    yield Fact("ffmpeg", f"{ffmpeg_version()}, for sound")
    if hub_reachable():
        yield Fact("hub", "reachable")
    else:
        yield Fact("hub", "not reachable; only local folders, cached models and bundled:shapes run", False)
    absent = "none; gated models need one: set HF_TOKEN"
    yield Fact("token", "a token for the Hub is set" if get_token() else absent)


def _pipelines() -> Iterator[Fact]:
    cards = list_pipelines()
    lacking = defaultdict(list)
    for card in cards:
        for package in card.missing:
            lacking[package].append(card.name)
    ready = sum(not card.missing for card in cards)
    yield Fact("pipelines", f"{ready} of {len(cards)} video pipelines have all their packages")
    for package, names in sorted(lacking.items()):
        wanted = f"{len(names)} pipelines need it: {', '.join(names)}"
        yield Fact("missing", f"pip install {package}; {wanted}", False)
