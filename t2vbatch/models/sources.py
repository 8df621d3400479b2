"""Where a model's files are: a local folder, the bundled one, or a repository of the Hugging Face hub.

Owns finding them, reading small ones before anything is loaded, and their identity. The hub is asked
through ``huggingface_hub``, with its cache, its offline mode and its token (``HF_TOKEN``).
"""

import json
import os
import re
import socket
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from diffusers.pipelines.pipeline_loading_utils import variant_compatible_siblings
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from t2vbatch.errors import ModelError
from t2vbatch.models.digests import file_digest, folder_digest

BUNDLED = "bundled:"

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

_DECIDES_PIXELS = {
    ".safetensors",
    ".bin",
    ".ckpt",
    ".pt",
    ".pth",
    ".gguf",
    ".json",
    ".txt",
    ".model",
    ".jinja",
}
"""Weights, configurations, vocabularies. Read-me files and pictures may change and change no video."""

_WEIGHTS = {".safetensors", ".bin", ".ckpt", ".pt", ".pth"}


@dataclass(frozen=True)
class Source:
    """The files of one checkpoint.

    Attributes:
        location: local path, or hub id; what ``from_pretrained`` takes.
        commit: commit of the hub repository; None for local files.
    """

    location: str
    commit: str | None = None

    def file(self, name: str) -> Path | None:
        """A local path of the file ``name``, fetched where it must be; None where there is no such file."""
        if self.commit is None:
            path = Path(self.location) / name
            return path if path.is_file() else None
        try:
            return Path(hf_hub_download(self.location, name, revision=self.commit))
        except (EntryNotFoundError, LocalEntryNotFoundError):
            return None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in the file ``name``, or None where there is none."""
        path = self.file(name)
        if path is None:
            return None
        try:
            value = json.loads(path.read_bytes())
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def identity(self, variant: str | None, subfolder: str = "") -> dict[str, Any]:
        """What the content is, wherever it is: the hub's commit, or a digest of the local files."""
        if self.commit is not None:
            return {"hub": self.location, "commit": self.commit, "subfolder": subfolder}
        root = Path(self.location) / subfolder
        if root.is_file():
            return {"content": file_digest(root)}
        return {"content": folder_digest(root, _loaded_files(root, variant))}


def open_source(where: str, path: str, revision: str | None, marker: str) -> Source:
    """Find a checkpoint.

    Args:
        where: the key of the job that names it, for messages.
        path: local folder, ``bundled:NAME`` or hub id.
        revision: branch, tag or commit of a hub repository.
        marker: the file that makes a folder the kind of checkpoint that is wanted.

    Raises:
        ModelError: when it is none, or the hub cannot be asked.
    """
    folder = bundled(where, path).PIPELINE if path.startswith(BUNDLED) else Path(path).expanduser()
    if folder.exists():
        if not (folder / marker).is_file():
            raise ModelError(
                where, f"{path}, which has no {marker}", f"a folder with a {marker}, or a hub id"
            )
        return Source(str(folder.absolute()))
    if not _HUB_ID.fullmatch(path):
        raise ModelError(where, f"{path}, which does not exist", f"a folder with a {marker}, or a hub id")
    return Source(path, _hub_commit(where, path, revision, marker))


def bundled(where: str, path: str) -> Any:
    """The module of a bundled model: its folder ``PIPELINE``, its ``CALL`` and its ``FPS``."""
    name = path.removeprefix(BUNDLED)
    if name != "shapes":
        raise ModelError(where, path, "bundled:shapes, the one bundled model")
    return import_module("t2vbatch.models.shapes")


def hub_reachable() -> bool:
    """Whether the hub answers at all. Its client needs half a minute of retries to find out."""
    if constants.is_offline_mode():
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    host = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((host.hostname, host.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _loaded_files(root: Path, variant: str | None) -> list[str]:
    """The files that loading this variant reads, relative to ``root``."""
    names = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.suffix in _DECIDES_PIXELS and not _is_hidden(path.relative_to(root))
    ]
    weights = [name for name in names if Path(name).suffix in _WEIGHTS]
    siblings: Any = variant_compatible_siblings(weights, variant)
    # Weights under names that diffusers does not know (adapters, single files) count whatever the variant.
    known = {
        name for name in weights if re.search(r"(^|/)(model|diffusion_pytorch_model|pytorch_model)\b", name)
    }
    skipped = known - set(siblings[0])
    return [name for name in names if name not in skipped]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _hub_commit(where: str, repo: str, revision: str | None, marker: str) -> str:
    """The commit that ``revision`` means now; offline, what it meant when it was last fetched."""
    at = f"{repo} at revision {revision}" if revision else repo
    try:
        marked = Path(hf_hub_download(repo, marker, revision=revision, local_files_only=not hub_reachable()))
    except GatedRepoError:
        raise ModelError(
            where,
            f"{repo}, which is gated",
            "a repository that your token may read",
            f"accept its terms at https://huggingface.co/{repo} and set HF_TOKEN",
        ) from None
    except RevisionNotFoundError:
        raise ModelError(where, f"{at}, which has no such revision", "a branch, tag or commit") from None
    except RepositoryNotFoundError:
        raise ModelError(
            where,
            f"{repo}, which is no folder here and no public repository of the hub",
            f"a folder with a {marker}, or a hub id",
            "mind the spelling; for a private repository set HF_TOKEN",
        ) from None
    except LocalEntryNotFoundError:
        raise ModelError(
            where,
            f"{at}, which is no folder here, is not in the hub's cache, and the hub cannot be reached",
            f"a folder with a {marker}, or a hub id",
            "connect, or fetch it once with `hf download` and run again",
        ) from None
    except EntryNotFoundError:
        raise ModelError(where, f"{at}, which has no {marker}", f"a repository with a {marker}") from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(where, f"{at}, which the hub does not hand out ({reason})", "a hub id") from error
    # The cache keeps each commit in a folder of its name.
    return marked.parts[len(marked.parts) - 1 - len(Path(marker).parts)]
