"""What this machine has for generating videos, and what is missing for which pipeline."""

import platform
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import psutil
import torch
from huggingface_hub import get_token

from t2vbatch.media.cpus import usable_cpus
from t2vbatch.media.video import ffmpeg_version
from t2vbatch.models import hub_reachable, list_pipelines

_GIB = 1 << 30
# A text-to-video model's weights alone are several GiB; less than this is worth a word before a download.
_LITTLE_DISK_BYTES = 20 * _GIB


@dataclass(frozen=True)
class Fact:
    """One thing found; ``fine`` is False where it keeps something from running here."""

    name: str
    text: str
    fine: bool = True


@dataclass(frozen=True)
class Examination:
    """All that was found."""

    facts: tuple[Fact, ...]


def examine() -> Examination:
    """Look at devices, memory, disk, ffmpeg, the model hub and the packages that pipelines need."""
    return Examination((*_machine(), *_devices(), *_programs(), *_pipelines()))


def _machine() -> Iterator[Fact]:
    packages = ("torch", "diffusers", "transformers", "ray")
    yield Fact("t2vbatch", version("t2vbatch"))
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    yield Fact("python", f"{platform.python_version()}, {versions}")
    memory = psutil.virtual_memory()
    yield Fact("memory", f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free")
    yield Fact("cpus", f"{usable_cpus()} that this process may use")
    disk = shutil.disk_usage(".")
    yield Fact("disk", f"{disk.free / _GIB:.0f} GiB free here", disk.free > _LITTLE_DISK_BYTES)


def _devices() -> Iterator[Fact]:
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda else "; this torch is built without CUDA"
        crawls = "small models run on the CPU, large ones crawl"
        yield Fact("gpu", f"none that torch can use{built}: {crawls}", False)
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        yield Fact("gpu", f"{index}: {device.name}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free")


def _programs() -> Iterator[Fact]:
    yield Fact("ffmpeg", ffmpeg_version())
    if hub_reachable():
        yield Fact("hub", "reachable")
    else:
        yield Fact("hub", "not reachable; local folders, cached models and bundled:shapes run", False)
    lacking = "none; gated models want one: set HF_TOKEN"
    yield Fact("token", "there is one for the hub" if get_token() else lacking)


def _pipelines() -> Iterator[Fact]:
    cards = list_pipelines()
    lacking = defaultdict(list)
    for card in cards:
        for package in card.missing:
            lacking[package].append(card.name)
    ready = sum(not card.missing for card in cards)
    yield Fact("pipelines", f"{ready} of {len(cards)} video pipelines have every package they need")
    for package, names in sorted(lacking.items()):
        wanted = f"{len(names)} pipelines want it: {', '.join(names)}"
        yield Fact("missing", f"pip install {package}; {wanted}", False)
