"""The classes of the installed diffusers as plain data, so that planning imports neither diffusers nor torch.

The data of the version that this package is tested with is in ``tables/``. For another version they are read
from diffusers once (see read_diffusers.py) and kept in the user's cache folder.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from t2vbatch.canonical import digest
from t2vbatch.models.calls import conditions, value_kinds
from t2vbatch.models.calls import signature as signature_module
from t2vbatch.models.calls.conditions import Condition
from t2vbatch.models.calls.signature import CallSignature

_TABLES = Path(__file__).parent / "tables"
_SETS = ("parameters", "requires")

Kind = Literal["network", "scheduler", "pipeline", "other"]


@dataclass(frozen=True)
class PipelineInfo:
    """One pipeline class.

    Attributes:
        path: the class, as ``module:Name``; a class of diffusers has the module ``diffusers``.
        video: whether it makes videos; other pipelines have no signature here.
        single_file: whether it can be loaded from a single file in its authors' layout.
        parts, optional: names of its components, and of its constructor's optional arguments.
        signature: what its call takes.
        blocks: the class of the blocks of a modular pipeline; empty for any other.
    """

    path: str
    video: bool
    single_file: bool
    parts: tuple[str, ...]
    optional: tuple[str, ...]
    signature: CallSignature | None
    blocks: str

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.path.rpartition(":")[2].rpartition(".")[2]

    @property
    def call(self) -> CallSignature:
        """What the call of a video pipeline takes."""
        if self.signature is None:
            raise ValueError(f"{self.name} makes no videos")
        return self.signature


@dataclass(frozen=True)
class DiffusersClasses:
    """What diffusers has.

    Attributes:
        pipelines: name: pipeline.
        kinds: name: kind of class.
        single_file: names of the networks that can be loaded from a single file.
        schedulers: name: the entries of its config.
        backends: name: the packages that the class needs, by their names in diffusers.
    """

    pipelines: Mapping[str, PipelineInfo]
    kinds: Mapping[str, Kind]
    single_file: frozenset[str]
    schedulers: Mapping[str, frozenset[str]]
    backends: Mapping[str, tuple[str, ...]]


@cache
def diffusers_classes() -> DiffusersClasses:
    """The classes of the installed version."""
    installed = version("diffusers")
    shipped = _TABLES / f"diffusers-{installed}.json"
    if shipped.is_file():
        return from_json(json.loads(shipped.read_bytes()))
    kept = _cache_file(installed)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return from_json(json.loads(kept.read_bytes()))
    data = import_module("t2vbatch.models.read_diffusers").read_diffusers()
    _store(kept, data)
    return from_json(data)


def to_json(classes: DiffusersClasses) -> dict[str, Any]:
    """The classes as a JSON object, in an order that does not depend on the process."""
    found: dict[str, Any] = _sorted(asdict(classes))
    return found


def from_json(data: Mapping[str, Any]) -> DiffusersClasses:
    """The classes from their JSON object. Raises KeyError or TypeError if it is one of another version."""
    return DiffusersClasses(
        pipelines={name: _pipeline(entry) for name, entry in data["pipelines"].items()},
        kinds=data["kinds"],
        single_file=frozenset(data["single_file"]),
        schedulers={name: frozenset(keys) for name, keys in data["schedulers"].items()},
        backends={name: tuple(packages) for name, packages in data["backends"].items()},
    )


def _pipeline(entry: Mapping[str, Any]) -> PipelineInfo:
    lists = {name: tuple(entry[name]) for name in ("parts", "optional")}
    taken = entry["signature"]
    return PipelineInfo(**{**entry, **lists, "signature": taken and _signature(taken)})


def _signature(entry: Mapping[str, Any]) -> CallSignature:
    sets = {name: frozenset(entry[name]) for name in _SETS}
    known = {name: Condition(**condition) for name, condition in entry["conditions"].items()}
    kinds = {name: frozenset(taken) for name, taken in entry["kinds"].items()}
    return CallSignature(**{**entry, **sets, "conditions": known, "kinds": kinds})


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in value}
    if isinstance(value, frozenset | set):
        return sorted(value)
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


def _cache_file(installed: str) -> Path:
    """A file for this version of diffusers and of the code that reads signatures."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    modules = (signature_module, conditions, value_kinds)
    code = digest([Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules])[:12]
    return Path(base) / "t2vbatch" / f"diffusers-{installed}-{code}.json"


def _store(path: Path, data: Mapping[str, Any]) -> None:
    """Keep the data. A cache folder that cannot be written is ignored: it only costs time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
        Path(temporary).replace(path)
