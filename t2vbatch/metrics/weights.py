"""Finds the trained network of a metric, checks its kind, and identifies it by content.

Reads folders and the Hub before a run starts, and loads no network.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vbatch.errors import MetricError
from t2vbatch.metrics.protocol import Kind, Weights
from t2vbatch.models.checkpoints.digests import file_digest
from t2vbatch.models.pins import note_commit, pinned_revision
from t2vbatch.models.shapes import CLIP

BUNDLED = "bundled:shapes"
"""The path of the CLIP that is part of this package."""

MODEL_TYPES: Mapping[Kind, frozenset[str]] = {
    "clip": frozenset({"clip"}),
    "siglip": frozenset({"siglip"}),
    "xclip": frozenset({"xclip"}),
    "vision": frozenset({"vit", "dinov2", "dinov2_with_registers", "dinov3_vit"}),
    "video": frozenset({"videomae", "timesformer"}),
}
"""Kind of weights: the values of model_type that its config.json may have."""


@dataclass(frozen=True)
class Located:
    """Weights that exist.

    Attributes:
        path: local folder or Hub id, as ``from_pretrained`` takes it; for a head or TorchScript, a file.
        commit: the Hub commit that ``revision`` means; None for local files.
        processor_path, processor_commit: the same for the tokenizer and image processor.
    """

    path: str
    commit: str | None = None
    processor_path: str | None = None
    processor_commit: str | None = None

    @property
    def at(self) -> Mapping[str, str]:
        """The revision as a keyword argument; empty for local files."""
        return {"revision": self.commit} if self.commit else {}

    @property
    def processor(self) -> tuple[str, Mapping[str, str]]:
        """Path and keyword arguments of the tokenizer and the image processor."""
        if self.processor_path is None:
            return self.path, self.at
        return self.processor_path, {"revision": self.processor_commit} if self.processor_commit else {}

    def identity(self) -> list[Any]:
        """What identifies the weights: Hub commits, or the digests of all files."""
        parts = [(self.path, self.commit), (self.processor_path, self.processor_commit)]
        return [_identity(path, commit) for path, commit in parts if path is not None]


def locate(weights: Weights) -> Located:
    """Find the weights and check their kind.

    Raises:
        MetricError: the weights are missing or of another kind, or the Hub is unreachable.
    """
    where = f"the {weights.kind} weights {weights.path!r}"
    if weights.kind == "head":
        if not Path(weights.path).is_file():
            raise MetricError(where, "no such file", "a .safetensors or .pth file with weight and bias")
        return Located(weights.path)
    if weights.kind == "torchscript":
        return _torchscript(weights.path, where)
    path = str(CLIP) if weights.path == BUNDLED else weights.path
    config, commit = _find(path, "config.json", weights.revision, where)
    found, expected = _kind(config), MODEL_TYPES[weights.kind]
    if found not in expected:
        types = " or ".join(sorted(expected))
        raise MetricError(where, found, f"a transformers model whose config.json says model_type {types}")
    if weights.processor is None:
        return Located(path, commit)
    where = f"the processor {weights.processor!r}"
    _, processor_commit = _find(weights.processor, "preprocessor_config.json", None, where)
    return Located(path, commit, weights.processor, processor_commit)


def kind_at(path: str, kinds: Sequence[Kind], where: str) -> Kind:
    """Which of these kinds a transformers model is, by its config.json.

    Args:
        where: the user's name of the path, for errors.

    Raises:
        MetricError: the model is of another kind or missing, or the Hub is unreachable.
    """
    config, _ = _find(str(CLIP) if path == BUNDLED else path, "config.json", None, where)
    found = _kind(config)
    for kind in kinds:
        if found in MODEL_TYPES[kind]:
            return kind
    types = " or ".join(sorted({name for kind in kinds for name in MODEL_TYPES[kind]}))
    raise MetricError(
        where, f"{path}, {found}", f"a transformers model whose config.json says model_type {types}"
    )


def _torchscript(path: str, where: str) -> Located:
    """A TorchScript file, which contains a program; a file of weights alone is rejected."""
    if not Path(path).is_file():
        raise MetricError(where, "no such file", "a TorchScript file")
    if not zipfile.is_zipfile(path) or not any("/code/" in name for name in zipfile.ZipFile(path).namelist()):
        raise MetricError(where, "a file without a TorchScript program", "a file written by torch.jit.save")
    return Located(path)


def _find(path: str, name: str, revision: str | None, where: str) -> tuple[Path, str | None]:
    """A file of a local folder, or a file of a Hub repository together with its commit."""
    # A Hub id never starts with a slash, so an absolute path is local even if it does not exist.
    if Path(path).exists() or Path(path).is_absolute():
        return Path(path) / name, None
    file = _downloaded(path, name, pinned_revision(path, revision), where)
    # The Hub's cache names the folder of each commit after the commit.
    commit = file.parent.name
    note_commit(path, revision, commit)
    return file, commit


def _downloaded(path: str, name: str, revision: str | None, where: str) -> Path:
    # Imported here: its HTTP client takes half a second, and listing metrics or comparing does not need it.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    from t2vbatch.models import hub_reachable

    try:
        # The Hub's client retries an unreachable Hub for half a minute and prints warnings.
        offline = not hub_reachable()
        return Path(hf_hub_download(path, name, revision=revision, local_files_only=offline))
    except LocalEntryNotFoundError:
        found = "neither a local folder nor in the Hub's cache, and the Hub cannot be reached"
    except RevisionNotFoundError:
        found = f"no revision {revision!r} on the Hub"
    except RepositoryNotFoundError:
        found = "neither a local folder nor a repository on the Hub that this login can read"
    except (EntryNotFoundError, HFValidationError):
        found = f"a repository without {name}"
    raise MetricError(
        where,
        found,
        "a Hub id such as openai/clip-vit-large-patch14, or a local folder",
        "download it on a machine with network access, then set path to its folder",
    )


def _kind(config: Path) -> str:
    """The model_type of the config file, or a description of what is wrong with the file."""
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except OSError:
        return "a folder without a config.json"
    except ValueError:
        return "a config.json with invalid JSON"
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        return "a config.json without model_type"
    return str(found["model_type"])


def _identity(path: str, commit: str | None) -> Mapping[str, Any]:
    if commit is not None:
        return {"path": path, "commit": commit}
    root = Path(path)
    if root.is_file():
        return {"file": file_digest(root)}
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {"files": {file.relative_to(root).as_posix(): file_digest(file) for file in files}}
