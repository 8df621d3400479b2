"""The key ``components:``: checks, finds, identifies and loads the parts that replace a pipeline's own.

A part comes from a folder or repository in the layout of its library, or from a single file of weights. The
config of a single file is that of the same part in the model's own checkpoint, unless the job names another.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.catalog import missing_backends
from t2vbatch.models.checkpoints.digests import file_digest
from t2vbatch.models.checkpoints.index import outside_parts
from t2vbatch.models.checkpoints.planned import check_planned
from t2vbatch.models.checkpoints.single_file import SingleFile, is_single_file, open_config, open_file
from t2vbatch.models.checkpoints.sources import CheckpointFiles, no_variant, open_source
from t2vbatch.models.pipelines import diffusers_classes
from t2vbatch.models.plugins import resolve_class

KEYS = frozenset({"class", "path", "config", "subfolder", "revision", "variant", "dtype"})

DTYPES = get_args(Model.model_fields["dtype"].annotation)


@dataclass(frozen=True)
class Component:
    """One entry of ``components:`` and where its files are.

    Attributes:
        where: its key in the job.
        given: its value in the job.
        kind: its class: a name in diffusers or transformers, or ``module:Name``.
        source: the folder or repository of its files; for a single file, of its config.
        subfolder: its folder inside ``source``; empty for the root.
        file: the single file of weights, or None.
    """

    where: str
    given: Mapping[str, Any]
    kind: str
    source: CheckpointFiles
    subfolder: str = ""
    file: SingleFile | None = None

    def identity(self) -> dict[str, Any]:
        """Everything that decides what is loaded, by content and never by path."""
        said = {key: value for key, value in self.given.items() if key not in ("path", "config", "revision")}
        if self.file is None:
            variant = self.given.get("variant")
            try:
                return {**said, "weights": self.source.identity(variant, self.subfolder)}
            except LookupError:
                raise no_variant(f"{self.where}.variant", self.source, variant) from None
        return {**said, "weights": self.file.identity() | {"config": self._config_identity()}}

    def config_file(self) -> Path:
        """The config of a single file's network. Raises ModelError if it is missing."""
        folder = f"{self.subfolder}/" if self.subfolder else ""
        path = self.source.file(f"{folder}config.json")
        if path is None:
            raise ModelError(
                f"{self.where}.config",
                f"{self.source.location}, which no longer has {folder}config.json",
                "a folder with the network's config.json",
            )
        return path

    def _config_identity(self) -> dict[str, Any]:
        if self.source.commit is not None:
            return self.source.identity(None, self.subfolder)
        return {"content": file_digest(self.config_file())}


def find_components(
    prefix: str, spec: Model, own: CheckpointFiles, pins: Mapping[str, Any] | None = None
) -> dict[str, Component | None]:
    """Find the files of a model's ``components``, and of the parts that its index takes from elsewhere.

    None for a part that the job leaves out.

    Args:
        prefix: prefix of the model's keys in messages: ``models.NAME.``, or empty.
        own: the model's own checkpoint.
        pins: the components' identities in a plan; their commits are used again. None: no plan yet.

    Raises:
        ModelError: a part does not exist, or is of the wrong kind.
    """
    found: dict[str, Component | None] = {}
    for name, given in (outside_parts(own, spec) | spec.components).items():
        key, pinned = f"{prefix}components.{name}", ((pins or {}).get(name) or {}).get("weights", {})
        found[name] = None if given is None else _find(key, name, given, own, spec.allow_pickle, pinned)
    return found


def planned_components(
    spec: Model, own: CheckpointFiles, planned: Mapping[str, Any]
) -> dict[str, Component | None]:
    """The components that a worker loads. Raises NodeError if local files are not those of the plan.

    Args:
        planned: the components' identities in the plan.
    """
    found = find_components("", spec, own, planned)
    for name, part in found.items():
        if part is not None:
            here = part.identity()["weights"]
            check_planned(f"{part.where}.path", part.given["path"], here, planned[name]["weights"])
    return found


def check_component(where: str, given: Mapping[str, Any]) -> None:
    """Refuse an entry with unknown, missing or wrong keys. Raises ModelError."""
    for key in given:
        if key not in KEYS:
            raise ModelError(f"{where}.{key}", "an unknown key", nearest(key, KEYS))
    for key in ("class", "path"):
        if not isinstance(given.get(key), str):
            raise ModelError(where, f"no {key}", "{class: ..., path: ...}")
    if (dtype := given.get("dtype", "float32")) not in DTYPES:
        raise ModelError(f"{where}.dtype", repr(dtype), " or ".join(DTYPES))
    check_class(f"{where}.class", given["class"])


def _find(
    where: str,
    name: str,
    given: Mapping[str, Any],
    own: CheckpointFiles,
    allow_pickle: bool,
    pinned: Mapping[str, Any],
) -> Component:
    kind = given["class"]
    check_class(f"{where}.class", kind)
    revision = pinned.get("commit", given.get("revision"))
    if not is_single_file(given["path"]):
        subfolder = given.get("subfolder", "")
        if "config" in given:
            raise ModelError(
                f"{where}.config",
                f"a config for {given['path']}, which is not a single file",
                "a config only for a single file of weights",
                "remove the key",
            )
        source = open_source(f"{where}.path", given["path"], revision, _marker(subfolder, given["class"]))
        return Component(where, given, kind, source, subfolder)
    if "variant" in given:
        raise ModelError(
            f"{where}.variant",
            f"a variant for {given['path']}, which is a single file",
            "a variant only for a folder or repository",
            "remove the key",
        )
    if not loads_single_files(kind):
        raise ModelError(
            f"{where}.path",
            f"{given['path']} for {kind}, which diffusers cannot load from a single file",
            "a folder in the layout of its library",
        )
    file = open_file(f"{where}.path", given["path"], revision, allow_pickle)
    source, subfolder = _config(where, name, given, own, file, pinned.get("config", {}).get("commit"))
    return Component(where, given, kind, source, subfolder, file)


def check_class(where: str, name: str) -> None:
    """Refuse a class that does not exist, or whose package is not installed. Raises ModelError."""
    if ":" in name:
        resolve_class(where, name)
        return
    if name in diffusers_classes().kinds or name in dir(import_module("transformers")):
        return
    if missing := missing_backends(name):
        found = f"{name}, which needs {missing}; not installed on this machine"
        raise ModelError(where, found, fix=f"pip install {missing}")
    near = nearest(name, list(diffusers_classes().kinds))
    raise ModelError(where, f"{name}, an unknown class", f"a class of diffusers or transformers; {near}")


def is_network(name: str) -> bool:
    """Whether a class has weights; a class of transformers by its name, which takes no import."""
    kinds = diffusers_classes().kinds
    if name in kinds:
        return kinds[name] == "network"
    if ":" in name:
        torch: Any = import_module("torch")
        return issubclass(resolve_class("class", name), torch.nn.Module)
    return not re.search(r"Tokenizer|Processor|Extractor|Scheduler|Guidance", name)


def loads_single_files(name: str) -> bool:
    """Whether diffusers can load this class of networks from a single file."""
    if ":" not in name:
        return name in diffusers_classes().single_file
    found: bool = import_module("t2vbatch.models.read_diffusers").loads_single_files(
        resolve_class("class", name)
    )
    return found


def _config(
    where: str,
    name: str,
    given: Mapping[str, Any],
    own: CheckpointFiles,
    file: SingleFile,
    commit: str | None,
) -> tuple[CheckpointFiles, str]:
    """Where the config of a single file is: its checkpoint, and the folder inside it."""
    if "config" not in given and own.file(f"{name}/config.json") is not None:
        return own, name
    # A network that is published alone has its config at the root.
    folders = [given["subfolder"]] if "subfolder" in given else [name, ""]
    markers = [_marker(folder, "") for folder in folders]
    source, marker = open_config(f"{where}.", given["path"], file, given.get("config"), commit, markers)
    return source, folders[markers.index(marker)]


def _marker(subfolder: str, kind: str) -> str:
    """The file that every component of this class has."""
    folder = f"{subfolder}/" if subfolder else ""
    if "Scheduler" in kind:
        return f"{folder}scheduler_config.json"
    if "Tokenizer" in kind:
        return f"{folder}tokenizer_config.json"
    processor = "Processor" in kind or "Extractor" in kind
    return folder + ("preprocessor_config.json" if processor else "config.json")
