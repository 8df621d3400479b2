"""Where a metric's trained network is, whether it is what it should be, and what identifies it.

Looks at folders and at the hub, and loads nothing: all of it happens before a run starts.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from t2vbatch.errors import MetricError
from t2vbatch.metrics.protocol import Kind, Weights
from t2vbatch.models.shapes import CLIP

BUNDLED = "bundled:shapes"
"""The path that means the CLIP which ships with the package."""


MODEL_TYPES: Mapping[Kind, frozenset[str]] = {
    "clip": frozenset({"clip"}),
    "siglip": frozenset({"siglip"}),
    "xclip": frozenset({"xclip"}),
    "vision": frozenset({"vit", "dinov2", "dinov2_with_registers", "dinov3_vit"}),
    "video": frozenset({"videomae", "timesformer"}),
}
"""Kind of weights: what may stand as model_type in their config.json."""


@dataclass(frozen=True)
class Located:
    """Weights that are there.

    Attributes:
        path: local folder or hub id, as ``from_pretrained`` takes it; of a head or TorchScript, a file.
        commit: the hub commit that ``revision`` means now; None for local files.
        processor_path, processor_commit: the same for the tokenizer and image processor.
    """

    path: str
    commit: str | None = None
    processor_path: str | None = None
    processor_commit: str | None = None

    @property
    def at(self) -> Mapping[str, str]:
        """The revision as a keyword argument; none for local files."""
        return {"revision": self.commit} if self.commit else {}

    @property
    def processor(self) -> tuple[str, Mapping[str, str]]:
        """Path and keyword arguments of the tokenizer and image processor."""
        if self.processor_path is None:
            return self.path, self.at
        return self.processor_path, {"revision": self.processor_commit} if self.processor_commit else {}

    def identity(self) -> list[Any]:
        """What decides the scores: hub commits, or the digests of all files."""
        parts = [(self.path, self.commit), (self.processor_path, self.processor_commit)]
        return [_identity(path, commit) for path, commit in parts if path is not None]


def locate(weights: Weights) -> Located:
    """Find the weights and check that they are of the kind asked for.

    Raises:
        MetricError: nothing is there, it is something else, or the hub cannot be reached.
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
        where: how the user calls the path, for errors.

    Raises:
        MetricError: none of them, nothing is there, or the hub cannot be reached.
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
    """A file with a program in it; one with weights alone is no TorchScript."""
    if not Path(path).is_file():
        raise MetricError(where, "no such file", "a TorchScript file")
    if not zipfile.is_zipfile(path) or not any("/code/" in name for name in zipfile.ZipFile(path).namelist()):
        raise MetricError(where, "a file without a program in it", "what torch.jit.save writes")
    return Located(path)


def _find(path: str, name: str, revision: str | None, where: str) -> tuple[Path, str | None]:
    """A file of a local folder, or of a hub repository with the commit it was taken from."""
    # No hub id begins with a slash: such a path is a local one, there or not.
    if Path(path).exists() or Path(path).is_absolute():
        return Path(path) / name, None
    file = _downloaded(path, name, revision, where)
    # The hub's cache keeps each commit in a folder that has its name.
    return file, file.parent.name


def _downloaded(path: str, name: str, revision: str | None, where: str) -> Path:
    from t2vbatch.models import hub_reachable  # Brings diffusers, which takes seconds.

    try:
        # Its client would try for half a minute to reach a hub that is away, and say so on the terminal.
        offline = not hub_reachable()
        return Path(hf_hub_download(path, name, revision=revision, local_files_only=offline))
    except LocalEntryNotFoundError:
        found = "neither a folder here nor in the hub's cache, and the hub cannot be reached"
    except RevisionNotFoundError:
        found = f"no revision {revision!r} on the hub"
    except RepositoryNotFoundError:
        found = "neither a folder here nor a repository on the hub that this login may read"
    except (EntryNotFoundError, HFValidationError):
        found = f"no {name} there"
    raise MetricError(
        where,
        found,
        "a hub id such as openai/clip-vit-large-patch14, or a local folder",
        "download it once where there is a network, then give its folder as clip.path",
    )


def _kind(config: Path) -> str:
    """What the config file says it is, in words where it says nothing."""
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except OSError:
        return "a folder without a config.json"
    except ValueError:
        return "a config.json that is no JSON"
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        return "a config.json that names no model_type"
    return str(found["model_type"])


def _identity(path: str, commit: str | None) -> Mapping[str, Any]:
    if commit is not None:
        return {"path": path, "commit": commit}
    root = Path(path)
    if root.is_file():
        return {"file": _sha256(root)}
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {"files": {file.relative_to(root).as_posix(): _sha256(file) for file in files}}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
