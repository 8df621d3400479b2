"""Where a metric's trained network is, whether it is what it should be, and what identifies it.

Looks at folders and at the hub, and loads nothing: all of it happens before a run starts.
"""

import hashlib
import json
from collections.abc import Mapping
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
from t2vbatch.metrics.protocol import Weights
from t2vbatch.models.shapes import CLIP

BUNDLED = "bundled:shapes"
"""The path that means the CLIP which ships with the package."""


@dataclass(frozen=True)
class Located:
    """Weights that are there.

    Attributes:
        path: local folder or hub id, as ``from_pretrained`` takes it.
        commit: the hub commit that ``revision`` means now; None for a local folder.
    """

    path: str
    commit: str | None

    def identity(self) -> Mapping[str, Any]:
        """What decides the scores: the hub commit, or the digest of every file of the folder."""
        if self.commit is not None:
            return {"path": self.path, "commit": self.commit}
        folder = Path(self.path)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {"files": {path.relative_to(folder).as_posix(): _sha256(path) for path in files}}


def locate(weights: Weights) -> Located:
    """Find the weights and check that they are of the kind asked for.

    Raises:
        MetricError: nothing is there, it is something else, or the hub cannot be reached.
    """
    where = f"the {weights.kind} weights {weights.path!r}"
    path = str(CLIP) if weights.path == BUNDLED else weights.path
    if Path(path).exists():
        config, commit = Path(path) / "config.json", None
    else:
        config = _downloaded(path, weights.revision, where)
        # The hub's cache keeps each commit in a folder that has its name.
        commit = config.parent.name
    found = _kind(config)
    if found != weights.kind:
        raise MetricError(
            where, found, f"a transformers model whose config.json says model_type {weights.kind}"
        )
    return Located(path, commit)


def _downloaded(path: str, revision: str | None, where: str) -> Path:
    try:
        return Path(hf_hub_download(path, "config.json", revision=revision))
    except LocalEntryNotFoundError:
        found = "neither a folder here nor in the hub's cache, and the hub cannot be reached"
    except RevisionNotFoundError:
        found = f"no revision {revision!r} on the hub"
    except RepositoryNotFoundError:
        found = "neither a folder here nor a repository on the hub that this login may read"
    except (EntryNotFoundError, HFValidationError):
        found = "no config.json there"
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
