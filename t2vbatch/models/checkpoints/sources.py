"""Where a model's files are: a local folder, the bundled one, or a repository of the Hugging Face Hub.

This module finds the files, reads the small ones before weights are loaded, and identifies them; hub.py sends
requests to the Hub.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import huggingface_hub as hf

from t2vbatch.errors import ModelError
from t2vbatch.models.checkpoints.digests import file_digest, folder_digest
from t2vbatch.models.checkpoints.folders import check_folder
from t2vbatch.models.checkpoints.hub import cached_file, hub_commit, hub_reachable

BUNDLED = "bundled:"

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth"})
"""Suffixes of weights as pickles, which can run any code when loaded; refused unless the job allows them."""

WEIGHTS = PICKLES | {".safetensors", ".gguf"}

_USUAL = re.compile(r"(^|/)(model|diffusion_pytorch_model|pytorch_model)\b")

_PLAIN = re.compile(
    r"(model|diffusion_pytorch_model|pytorch_model)(-\d{5}-of-\d{5})?\.(safetensors|bin|ckpt|pt|pth|gguf)"
)
"""Names of weights without a variant, sharded or not."""

_DECIDES_PIXELS = WEIGHTS | {".json", ".txt", ".model", ".jinja"}
"""Weights, configs and vocabularies. READMEs and pictures change no video."""


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of one checkpoint.

    Attributes:
        location: local path, or repository of the Hub; the argument of ``from_pretrained``.
        commit: commit of the repository; None for local files.
    """

    location: str
    commit: str | None = None

    def file(self, name: str) -> Path | None:
        """The local path of the file ``name``, downloaded if needed; None if the file does not exist."""
        if self.commit is None:
            path = Path(self.location) / name
            return path if path.is_file() else None
        if (cached := cached_file(self.location, self.commit, name)) is not None:
            return cached
        from huggingface_hub import errors  # Imported here, because it imports an HTTP client.

        offline = not hub_reachable()
        try:
            return Path(
                hf.hf_hub_download(self.location, name, revision=self.commit, local_files_only=offline)
            )
        except (errors.EntryNotFoundError, errors.LocalEntryNotFoundError):
            return None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in the file ``name``; None if there is no file or it holds no object."""
        path = self.file(name)
        if path is None:
            return None
        try:
            value = json.loads(path.read_bytes())
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def identity(self, variant: str | None, subfolder: str = "") -> dict[str, Any]:
        """Identity of the content: the commit on the Hub, or a digest of the local files.

        Raises LookupError if the local files have no weights of this variant.
        """
        if self.commit is not None:
            return {"hub": self.location, "commit": self.commit, "subfolder": subfolder}
        root = Path(self.location) / subfolder
        if root.is_file():
            return {"content": file_digest(root)}
        return {"content": folder_digest(root, loaded_files(local_files(root), variant))}


def open_source(where: str, path: str, revision: str | None, marker: str) -> CheckpointFiles:
    """Find a checkpoint.

    Args:
        where: the key of the job that names it, for messages.
        path: local folder, ``bundled:NAME`` or repository of the Hub.
        revision: branch, tag or commit of a repository.
        marker: the file that the expected kind of checkpoint has.

    Raises:
        ModelError: it is not a checkpoint, or the Hub does not answer.
    """
    folder = bundled(where, path).PIPELINE if path.startswith(BUNDLED) else Path(path).expanduser()
    if folder.is_file():
        expected = f"a folder with a {marker}, a repository of the Hub, or a file of weights (.safetensors)"
        raise ModelError(where, f"{path}, a file that does not hold weights", expected)
    if folder.exists():
        check_folder(where, str(folder), marker)
        return CheckpointFiles(str(folder.absolute()))
    if not _HUB_ID.fullmatch(path):
        raise ModelError(
            where, f"{path}, which does not exist", f"a folder with a {marker}, or a repository of the Hub"
        )
    return CheckpointFiles(path, hub_commit(where, path, revision, marker))


def bundled(where: str, path: str) -> Any:
    """The module of a bundled model: its folder ``PIPELINE``, its ``CALL`` and its ``FPS``."""
    name = path.removeprefix(BUNDLED)
    if name != "shapes":
        raise ModelError(where, path, "bundled:shapes, the one bundled model")
    return import_module("t2vbatch.models.shapes")


def loaded_files(names: Iterable[str], variant: str | None) -> list[str]:
    """The files of a checkpoint that are read when this variant is loaded.

    Args:
        names: all files of the checkpoint: a part without weights of this variant is read without it.

    Raises:
        LookupError: no part has weights of this variant.
    """
    read = [name for name in names if _decides_pixels(PurePosixPath(name))]
    weights = [name for name in read if PurePosixPath(name).suffix in WEIGHTS]
    # Weights under other names than diffusers' own (adapters, single files) belong to every variant.
    usual = [name for name in weights if is_named_as_usual(name)]
    if variant is None and all(_PLAIN.fullmatch(PurePosixPath(name).name) for name in usual):
        return read
    no_weights = LookupError(f"no weights of the variant {variant}")
    if variant is not None and not any(f".{variant}" in PurePosixPath(name).name for name in weights):
        raise no_weights
    # diffusers takes seconds to import; only folders with several variants need its rules.
    loading: Any = import_module("diffusers.pipelines.pipeline_loading_utils")
    try:
        usable, _ = loading.variant_compatible_siblings(weights, variant)
    except ValueError:
        raise no_weights from None
    skipped = set(usual) - set(usable)
    return [name for name in read if name not in skipped]


def no_variant(where: str, source: CheckpointFiles, variant: object) -> ModelError:
    """The error for a checkpoint without weights of this variant, at the key ``where``."""
    found = f"{variant}, but {source.location} has no weights of this variant"
    return ModelError(where, found, "a variant of the checkpoint", "leave out variant, or correct it")


def is_named_as_usual(name: str) -> bool:
    """Whether ``from_pretrained`` finds a file of weights by this name, sharded or not."""
    return _USUAL.search(name) is not None


def local_files(root: Path) -> list[str]:
    """Every file below ``root``, relative to it."""
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def _decides_pixels(name: PurePosixPath) -> bool:
    return name.suffix in _DECIDES_PIXELS and not any(part.startswith(".") for part in name.parts)
