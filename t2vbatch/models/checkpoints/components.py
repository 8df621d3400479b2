"""The key ``components:``: checks, finds, identifies and loads the parts that replace a pipeline's own.

A part comes from a folder or repository in the layout of its library, or from a single file of weights. The
config of a single file is that of the same part in the model's own checkpoint, unless the job names another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
import transformers
from diffusers import GGUFQuantizationConfig

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.digests import file_digest
from t2vbatch.models.checkpoints.hub import hub_options
from t2vbatch.models.checkpoints.single_file import (
    MISFITS,
    SingleFile,
    is_single_file,
    loads_single_files,
    open_config,
    open_file,
    reason,
)
from t2vbatch.models.checkpoints.sources import Source, open_source
from t2vbatch.models.plugins import resolve_class

KEYS = frozenset({"class", "path", "config", "subfolder", "revision", "variant", "dtype"})

DTYPES = get_args(Model.model_fields["dtype"].annotation)


@dataclass(frozen=True)
class Component:
    """One entry of ``components:`` and where its files are.

    Attributes:
        where: its key in the job.
        given: its value in the job.
        kind: its class.
        source: the folder or repository of its files; for a single file, of its config.
        subfolder: its folder inside ``source``; empty for the root.
        file: the single file of weights, or None.
    """

    where: str
    given: Mapping[str, Any]
    kind: Any
    source: Source
    subfolder: str = ""
    file: SingleFile | None = None

    def identity(self) -> dict[str, Any]:
        """Everything that decides what is loaded, by content and never by path."""
        said = {key: value for key, value in self.given.items() if key not in ("path", "config", "revision")}
        if self.file is None:
            return {**said, "weights": self.source.identity(self.given.get("variant"), self.subfolder)}
        return {**said, "weights": self.file.identity() | {"config": self._config_identity()}}

    def load(self, dtype: torch.dtype, allow_pickle: bool, quantization: Any = None) -> Any:
        """The part with its weights.

        Args:
            dtype: dtype of the weights and the arithmetic; unused for a part without weights.
            quantization: the quantization config of diffusers or transformers, or None.

        Raises:
            ModelError: the file does not hold weights of the class.
            Exception: any error of the library that loads the part.
        """
        if self.file is not None:
            return self._from_file(self.file, dtype, quantization)
        options: dict[str, Any] = {"subfolder": self.subfolder, **hub_options(self.source.commit)}
        if issubclass(self.kind, torch.nn.Module):
            options |= {"dtype": dtype, "use_safetensors": None if allow_pickle else True}
            options |= {"variant": self.given["variant"]} if "variant" in self.given else {}
            options |= {"quantization_config": quantization} if quantization is not None else {}
        return self.kind.from_pretrained(self.source.location, **options)

    def _from_file(self, file: SingleFile, dtype: torch.dtype, quantization: Any) -> Any:
        if file.quantized:
            quantization = GGUFQuantizationConfig(compute_dtype=dtype)
        config = self._config_file().parent
        name = f"{file.name}, as {self.kind.__name__} with the config in {self.source.location}"
        try:
            return self.kind.from_single_file(
                str(file.fetched(f"{self.where}.path")),
                config=str(config),
                dtype=dtype,
                quantization_config=quantization,
                local_files_only=True,
            )
        except MISFITS as error:
            raise ModelError(
                f"{self.where}.path",
                f"{name}: {reason(error)}",
                f"a file with the weights of {self.kind.__name__}",
                "name the file's own config with config:",
            ) from error

    def _config_file(self) -> Path:
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
        return {"content": file_digest(self._config_file())}


def find_components(
    prefix: str, spec: Model, own: Source, pins: Mapping[str, Any] | None = None
) -> dict[str, Component | None]:
    """Find the files of a model's ``components``; None for a part that the job leaves out.

    Args:
        prefix: prefix of the model's keys in messages: ``models.NAME.``, or empty.
        own: the model's own checkpoint.
        pins: the components' identities in a plan; their commits are used again. None: no plan yet.

    Raises:
        ModelError: a part does not exist, or is of the wrong kind.
    """
    found: dict[str, Component | None] = {}
    for name, given in spec.components.items():
        key, pinned = f"{prefix}components.{name}", ((pins or {}).get(name) or {}).get("weights", {})
        found[name] = None if given is None else _find(key, name, given, own, spec.allow_pickle, pinned)
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
    component_class(f"{where}.class", given["class"])


def _find(
    where: str,
    name: str,
    given: Mapping[str, Any],
    own: Source,
    allow_pickle: bool,
    pinned: Mapping[str, Any],
) -> Component:
    kind = component_class(f"{where}.class", given["class"])
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
            f"{given['path']} for {kind.__name__}, which diffusers cannot load from a single file",
            f"a folder in the layout of {kind.__module__.partition('.')[0]}",
        )
    file = open_file(f"{where}.path", given["path"], revision, allow_pickle)
    source, subfolder = _config(where, name, given, own, file, pinned.get("config", {}).get("commit"))
    return Component(where, given, kind, source, subfolder, file)


def component_class(where: str, name: str) -> Any:
    """The class of a component: of diffusers, of transformers, or ``module:Name``. Raises ModelError."""
    if ":" not in name and isinstance(found := getattr(transformers, name, None), type):
        return found
    return resolve_class(where, name)


def _config(
    where: str, name: str, given: Mapping[str, Any], own: Source, file: SingleFile, commit: str | None
) -> tuple[Source, str]:
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
