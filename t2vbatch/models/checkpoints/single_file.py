"""One file of weights: a whole checkpoint in its authors' layout, or one network of it, or one as GGUF.

Owns finding such a file and reading the names in its header. What the names mean is diffusers' knowledge; the
config of the network stands in a checkpoint of diffusers' layout, which the job names or diffusers guesses.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import SingleFileComponentError, fetch_diffusers_config

from t2vbatch.errors import ModelError
from t2vbatch.models.catalog import absent
from t2vbatch.models.checkpoints.digests import file_digest
from t2vbatch.models.checkpoints.header import Tensor, hub_header, local_header
from t2vbatch.models.checkpoints.hub import cached_file, hub_commit
from t2vbatch.models.checkpoints.sources import PICKLES, WEIGHTS, Source, open_source

GGUF = ".gguf"

MISFITS = (AttributeError, KeyError, ValueError, RuntimeError, OSError, SingleFileComponentError)
"""What diffusers raises when a file and a class do not belong together."""

_SCALES = (".scale_weight", ".weight_scale", ".scale_input", "scaled_fp8")
"""Ends of names in files whose 8-bit weights mean something only when they are multiplied by these. Diffusers
passes over names that it does not know, and would load noise."""


def is_single_file(path: str) -> bool:
    """Whether a path of a job names a file of weights, and not a folder or a repository."""
    place = Path(path).expanduser()
    return place.suffix.lower() in WEIGHTS and not place.is_dir()


@dataclass(frozen=True)
class SingleFile:
    """A file of weights: its folder or repository, and its name there."""

    source: Source
    name: str

    @property
    def quantized(self) -> bool:
        """Whether it is GGUF: one network, its weights in blocks of a few bits."""
        return self.name.lower().endswith(GGUF)

    def cached(self) -> Path | None:
        """Where it is on this machine, if it is."""
        if self.source.commit is None:
            return Path(self.source.location) / self.name
        return cached_file(self.source.location, self.source.commit, self.name)

    def fetched(self, where: str) -> Path:
        """Where it is on this machine, after a download where it must be. Raises ModelError."""
        path = self.source.file(self.name)
        if path is None:
            at = f"{self.source.location}/{self.name}"
            raise ModelError(where, f"{at}, which is neither here nor to be had now", "the file")
        return path

    def identity(self) -> dict[str, Any]:
        """The hub's commit, or a digest of the local file."""
        if self.source.commit is None:
            return {"content": file_digest(Path(self.source.location) / self.name)}
        return {"hub": self.source.location, "commit": self.source.commit, "file": self.name}


def open_file(where: str, path: str, revision: str | None, allow_pickle: bool) -> SingleFile:
    """Find a file of weights; of the hub's it asks for no more than the commit.

    Args:
        where: the key of the job that names it, for messages.
        path: a local file, or ``org/repository/file``.

    Raises:
        ModelError: there is none, it may not be read, or it cannot be read here.
    """
    refuse_pickle(where, path, allow_pickle)
    if path.lower().endswith(GGUF) and (missing := absent(["gguf"])):
        raise ModelError(
            where, f"{path}, and no package gguf here", "what reads such files", f"pip install {missing[0]}"
        )
    found = _found(where, path, revision)
    if scales := [name for name in header(found) if name.endswith(_SCALES)]:
        raise ModelError(
            where,
            f"{path}, whose 8-bit weights have scales beside them ({scales[0]}), which diffusers leaves out",
            "weights in 16 or 32 bits, in 8 bits without scales, or GGUF",
        )
    return found


def refuse_pickle(where: str, path: str, allow_pickle: bool) -> None:
    """Refuse a pickle, unless the job lets them be read. Raises ModelError."""
    if Path(path).suffix.lower() in PICKLES and not allow_pickle:
        raise ModelError(
            where,
            f"{path}, which is a pickle: a program that runs when it is read",
            "safetensors or GGUF",
            "take its safetensors, or write allow_pickle: true where you trust the file",
        )


def _found(where: str, path: str, revision: str | None) -> SingleFile:
    place = Path(path).expanduser()
    if place.is_file():
        return SingleFile(Source(str(place.parent.absolute())), place.name)
    organisation, _, rest = path.partition("/")
    repository, _, name = rest.partition("/")
    if place.is_absolute() or not name or organisation.startswith((".", "~")):
        raise ModelError(
            where, f"{path}, which does not exist", "a file here, or org/repository/file of the hub"
        )
    repo = f"{organisation}/{repository}"
    return SingleFile(Source(repo, hub_commit(where, repo, revision, name, fetch=False)), name)


def header(file: SingleFile) -> Mapping[str, Tensor]:
    """What is in a safetensors file; nothing of other files, and of what cannot be asked."""
    if not file.name.lower().endswith(".safetensors"):
        return {}
    if (path := file.cached()) is not None:
        return local_header(path)
    return hub_header(file.source.location, str(file.source.commit), file.name)


def open_config(
    where: str, path: str, file: SingleFile, config: str | None, commit: str | None, markers: Sequence[str]
) -> tuple[Source, str]:
    """Find the checkpoint of diffusers' layout that says what is in a file.

    Args:
        where: the key of the model or component, with a dot at its end, or nothing.
        path: the file, as the job names it.
        config: folder or hub id; None: what diffusers thinks that the file belongs to.
        markers: the files that make it one; the first that is there is meant, and given back.

    Raises:
        ModelError: there is none, or nothing to guess it from.
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
        found = f"nothing; diffusers would take {error.found}"
        raise ModelError(error.where, found, error.expected, error.fix) from None


def _guess(where: str, path: str, file: SingleFile) -> str:
    names = {name: torch.empty(tensor.shape, device="meta") for name, tensor in header(file).items()}
    if not names:
        raise ModelError(where, f"{path}, which does not say what it holds", "config: a folder or a hub id")
    return str(fetch_diffusers_config(names)["pretrained_model_name_or_path"])


def loads_single_files(network: type) -> bool:
    """Whether diffusers knows how the authors of this class of networks name their weights."""
    known: Any = import_module("diffusers.loaders.single_file_model").SINGLE_FILE_LOADABLE_CLASSES
    return any(base.__name__ in known for base in network.__mro__)


def reason(error: Exception) -> str:
    """Why diffusers could not load a file, in a line. It notices missing weights when it moves them."""
    said = str(error).strip().partition("\n")[0]
    return "it lacks some of the weights" if "meta tensor" in said else said or type(error).__name__
