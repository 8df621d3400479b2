"""Single files of weights: a checkpoint in its authors' layout, one network of it, or a network as GGUF.

This module finds such a file and reads the names in its header. diffusers converts the names; the network's
config comes from a checkpoint in diffusers' layout, which the job names or diffusers guesses.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from t2vbatch.errors import ModelError
from t2vbatch.models.catalog import absent
from t2vbatch.models.checkpoints.digests import file_digest
from t2vbatch.models.checkpoints.header import Tensor, hub_header, local_header
from t2vbatch.models.checkpoints.hub import cached_file, hub_commit
from t2vbatch.models.checkpoints.sources import PICKLES, WEIGHTS, CheckpointFiles, open_source

GGUF = ".gguf"

_SCALES = (".scale_weight", ".weight_scale", ".scale_input", "scaled_fp8")
"""Ends of the names of scales, by which 8-bit weights must be multiplied. diffusers ignores unknown names and
would load noise."""


def is_single_file(path: str) -> bool:
    """Whether a path of a job names a file of weights, and not a folder or a repository."""
    place = Path(path).expanduser()
    return place.suffix.lower() in WEIGHTS and not place.is_dir()


@dataclass(frozen=True)
class SingleFile:
    """A file of weights: its folder or repository, and its name there."""

    source: CheckpointFiles
    name: str

    @property
    def quantized(self) -> bool:
        """Whether it is GGUF: one network, its weights in blocks of a few bits."""
        return self.name.lower().endswith(GGUF)

    def cached(self) -> Path | None:
        """Its path on this machine, or None."""
        if self.source.commit is None:
            return Path(self.source.location) / self.name
        return cached_file(self.source.location, self.source.commit, self.name)

    def fetched(self, where: str) -> Path:
        """Its path on this machine; downloads it if needed. Raises ModelError."""
        path = self.source.file(self.name)
        if path is None:
            at = f"{self.source.location}/{self.name}"
            raise ModelError(
                where,
                f"{at}, which is not on this machine and cannot be downloaded now",
                fix="check the network and the name of the file",
            )
        return path

    def identity(self) -> dict[str, Any]:
        """The commit on the Hub, or a digest of the local file."""
        if self.source.commit is None:
            return {"content": file_digest(Path(self.source.location) / self.name)}
        return {"hub": self.source.location, "commit": self.source.commit, "file": self.name}


def open_file(where: str, path: str, revision: str | None, allow_pickle: bool) -> SingleFile:
    """Find a file of weights; for a file on the Hub, only its commit is requested.

    Args:
        where: the key of the job that names it, for messages.
        path: a local file, or ``org/repository/file``.

    Raises:
        ModelError: the file does not exist, must not be read, or needs a package that is not installed.
    """
    refuse_pickle(where, path, allow_pickle)
    if path.lower().endswith(GGUF) and (missing := absent(["gguf"])):
        raise ModelError(
            where,
            f"{path}, and the package gguf, which reads such files, is not installed",
            fix=f"pip install {missing[0]}",
        )
    found = _found(where, path, revision)
    if scales := [name for name in header(found) if name.endswith(_SCALES)]:
        raise ModelError(
            where,
            f"{path}, whose 8-bit weights have scales ({scales[0]}), which diffusers ignores",
            "weights in 16 or 32 bits, in 8 bits without scales, or GGUF",
        )
    return found


def refuse_pickle(where: str, path: str, allow_pickle: bool) -> None:
    """Refuse a pickle, unless the job allows pickles. Raises ModelError."""
    if Path(path).suffix.lower() in PICKLES and not allow_pickle:
        raise ModelError(
            where,
            f"{path}, a pickle, which can run any code when it is loaded",
            "safetensors or GGUF",
            "use the safetensors version, or set allow_pickle: true if you trust the file",
        )


def _found(where: str, path: str, revision: str | None) -> SingleFile:
    place = Path(path).expanduser()
    if place.is_file():
        return SingleFile(CheckpointFiles(str(place.parent.absolute())), place.name)
    organisation, _, rest = path.partition("/")
    repository, _, name = rest.partition("/")
    if place.is_absolute() or not name or organisation.startswith((".", "~")):
        raise ModelError(
            where, f"{path}, which does not exist", "a local file, or org/repository/file of the Hub"
        )
    repo = f"{organisation}/{repository}"
    return SingleFile(CheckpointFiles(repo, hub_commit(where, repo, revision, name, fetch=False)), name)


def header(file: SingleFile) -> Mapping[str, Tensor]:
    """The tensors in a safetensors file; empty for other formats, and if the Hub does not answer."""
    if not file.name.lower().endswith(".safetensors"):
        return {}
    if (path := file.cached()) is not None:
        return local_header(path)
    return hub_header(file.source.location, str(file.source.commit), file.name)


def open_config(
    where: str, path: str, file: SingleFile, config: str | None, commit: str | None, markers: Sequence[str]
) -> tuple[CheckpointFiles, str]:
    """Find the checkpoint in diffusers' layout whose configs describe a single file.

    Args:
        where: the key of the model or component with a dot at its end, or empty.
        path: the file, as the job names it.
        config: folder or repository; None: diffusers guesses the repository from the file's header.
        markers: config files, in order of preference; the first that exists is returned with the source.

    Raises:
        ModelError: the checkpoint does not exist, or cannot be guessed.
    """
    named = config or _guess(f"{where}path", path, file)
    for marker in markers[:-1]:
        with contextlib.suppress(ModelError):
            return open_source(f"{where}config", named, commit, marker), marker
    try:
        return open_source(f"{where}config", named, commit, markers[-1]), markers[-1]
    except ModelError as error:
        if config is not None:
            raise
        found = f"no config, and the one that diffusers guesses is {error.found}"
        raise ModelError(error.where, found, error.expected, error.fix) from None


def _guess(where: str, path: str, file: SingleFile) -> str:
    tensors = header(file)
    if not tensors:
        raise ModelError(
            where,
            f"{path}, whose header does not name its model",
            "a file with its configs",
            "set config: to a folder or a repository of the Hub",
        )
    # Both take seconds to import.
    torch, known = import_module("torch"), import_module("diffusers.loaders.single_file_utils")
    names = {name: torch.empty(tensor.shape, device="meta") for name, tensor in tensors.items()}
    return str(known.fetch_diffusers_config(names)["pretrained_model_name_or_path"])
