"""Requests to the Hugging Face Hub: whether it answers, the commit of a revision, the sizes of files.

They use ``huggingface_hub``, with its cache, its offline mode (HF_HUB_OFFLINE) and its token (HF_TOKEN).
This module owns the messages for the errors of the Hub. Its functions import the Hub's errors, and with them
an HTTP client, only when they send a request, because a plan of local models needs neither.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub as hf
from huggingface_hub import constants

from t2vbatch.errors import ModelError
from t2vbatch.models.pins import note_commit, pinned_revision


def hub_reachable() -> bool:
    """Whether the Hub answers. Its own client retries for half a minute before it reports an error."""
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


def hub_commit(where: str, repo: str, revision: str | None, name: str, fetch: bool = True) -> str:
    """The pinned commit of ``revision``, or its commit now; offline, when ``name`` was last downloaded.

    Args:
        where: the key of the job that names the repository, for messages.
        name: a file that the repository must have.
        fetch: whether to download the file (a small one that is needed anyway) or only to look it up.

    Raises:
        ModelError: the Hub refuses the request, or does not answer.
    """
    commit = _commit(where, repo, pinned_revision(repo, revision), name, fetch)
    note_commit(repo, revision, commit)
    return commit


def _commit(where: str, repo: str, revision: str | None, name: str, fetch: bool) -> str:
    online = hub_reachable()
    with _refusals_explained(where, repo, revision, name):
        if online and not fetch:
            return str(hf.get_hf_file_metadata(hf.hf_hub_url(repo, name, revision=revision)).commit_hash)
        path = Path(hf.hf_hub_download(repo, name, revision=revision, local_files_only=not online))
    # The cache keeps each commit in a folder of its name.
    return path.parts[len(path.parts) - 1 - len(Path(name).parts)]


def hub_options(commit: str | None) -> dict[str, Any]:
    """Arguments that pin ``from_pretrained`` to a commit of the Hub; empty for local files."""
    return {} if commit is None else {"revision": commit, "local_files_only": not hub_reachable()}


def hub_sizes(repo: str, commit: str) -> Mapping[str, int]:
    """Every file of a repository with its size in bytes; empty if the Hub does not answer."""
    if not hub_reachable():
        return {}
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = hf.HfApi().model_info(repo, revision=commit, files_metadata=True).siblings
    except (HfHubHTTPError, OSError):
        return {}
    return {file.rfilename: file.size or 0 for file in found or ()}


def cached_file(repo: str, commit: str, name: str) -> Path | None:
    """The file's path in the Hub's cache, or None."""
    found = hf.try_to_load_from_cache(repo, name, cache_dir=constants.HF_HUB_CACHE, revision=commit)
    return Path(found) if isinstance(found, str) else None


@contextmanager
def _refusals_explained(where: str, repo: str, revision: str | None, name: str) -> Iterator[None]:
    from huggingface_hub import errors

    at = f"{repo} at revision {revision}" if revision else repo
    wanted = f"a local path or a repository of the Hub with a {name}"
    try:
        yield
    except errors.GatedRepoError:
        raise _gated(where, repo) from None
    except errors.RevisionNotFoundError:
        raise ModelError(
            where, f"{at}, a revision that the repository does not have", "a branch, tag or commit"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            where,
            f"{repo}, which is neither a local path nor a public repository of the Hub",
            wanted,
            "check the spelling; for a private repository set HF_TOKEN",
        ) from None
    except errors.LocalEntryNotFoundError:
        raise _not_cached(where, at, repo, wanted) from None
    except errors.EntryNotFoundError:
        raise ModelError(where, f"{at}, which has no {name}", f"a repository with a {name}") from None
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            where, f"{at}; the Hub refused the request ({reason})", "a repository of the Hub"
        ) from error


def _gated(where: str, repo: str) -> ModelError:
    terms = f"accept its terms at {constants.ENDPOINT}/{repo}"
    if hf.get_token() is None:
        found = f"{repo}, a gated repository, and no token is set"
        return ModelError(where, found, "a token with access to it", f"{terms} and set HF_TOKEN")
    found = f"{repo}, a gated repository, and the token that is set has no access to it"
    return ModelError(where, found, "a token with access to it", f"{terms} with the account of that token")


def _not_cached(where: str, at: str, repo: str, wanted: str) -> ModelError:
    """The error for a repository that is not in the cache while the Hub does not answer."""
    offline = constants.is_offline_mode()
    why = "HF_HUB_OFFLINE is set" if offline else "the Hub does not answer"
    way = "unset HF_HUB_OFFLINE" if offline else "connect to the network"
    return ModelError(
        where,
        f"{at}, which is neither a local path nor in the Hub's cache ({constants.HF_HUB_CACHE}), and {why}",
        wanted,
        f"{way}, or download it once with `hf download {repo}` and run again",
    )
