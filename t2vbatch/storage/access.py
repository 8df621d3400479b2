"""Whether an object store answers and lets this process in, found by one request before a command begins.

While a run goes on, a store that does not answer is tried for a minute, because an outage must not end a run
of days. At the start of a command a missing password is more likely than an outage.
"""

import functools
import os
import threading
from concurrent.futures import Future
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import NotFoundError, PermissionDeniedError, UnauthenticatedError

from t2vbatch.errors import UsageError
from t2vbatch.storage.errors import NO_ANSWER, answer_of
from t2vbatch.storage.object_folder import open_object_store

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_DEADLINE_S = 10.0
_RETRIES: "RetryConfig" = {"max_retries": 10, "retry_timeout": timedelta(seconds=3)}

_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_NO_CREDENTIALS = ("/latest/api/token", "/latest/meta-data", "token request", "must be specified")
"""Without credentials, obstore asks the server that gives them to virtual machines of a cloud."""
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")


def check_access(uri: str, name: str, where: str = "", kind: type[UsageError] = UsageError) -> None:
    """Check that an object store answers and lets this process read; a local path needs no check.

    A success is remembered, so that each command asks once.

    Args:
        uri: the folder: a local path or a URI.
        name: a file in it that may exist.
        where: the job key, argument or option that names the folder; default: the URI itself.
        kind: the class of the error.

    Raises:
        UsageError: within about ten seconds, if the store does not answer or denies access.
    """
    try:
        _check(uri, name)
    except UsageError as error:
        found = f"{uri}: {error.found}" if where else error.found
        raise kind(where or uri, found, error.expected, error.fix) from error


@functools.cache
def _check(uri: str, name: str) -> None:
    scheme = uri.partition("://")[0]
    if scheme not in _CREDENTIALS:
        return
    if not uri.partition("://")[2].strip("/"):
        raise UsageError(uri, "no bucket", f"a bucket and a folder: {scheme}://BUCKET/FOLDER")
    try:
        error = _first_answer(uri, name).result(_DEADLINE_S)
    except TimeoutError:
        error = TimeoutError("timed out")
    if error is not None:
        raise UsageError(uri, *_explained(scheme, error)) from error


def _first_answer(uri: str, name: str) -> "Future[Exception | None]":
    """The error of a request for the file, or None. In a thread: some requests never end."""
    answer: Future[Exception | None] = Future()

    def ask() -> None:
        try:
            obstore.get(open_object_store(uri, _RETRIES), name)
            answer.set_result(None)
        except (NotFoundError, FileNotFoundError) as error:
            answer.set_result(error if _has(error, _NO_BUCKET) else None)
        except Exception as error:  # Any other error is one that each later request would meet.
            answer.set_result(error)

    threading.Thread(target=ask, name="check access", daemon=True).start()
    return answer


def _explained(scheme: str, error: Exception) -> tuple[str, str, str]:
    """What was found, what is expected, and what to do."""
    credentials = _CREDENTIALS[scheme]
    if _has(error, _NO_BUCKET):
        return "no bucket of this name", "a bucket that exists", "create the bucket or correct the name"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        fix = f"check the permissions and the credentials ({credentials})"
        answer = answer_of(error)
        found = f"the storage denied access ({answer})" if answer else "the storage denied access"
        return found, "an account with access to it", fix
    if _has(error, _NO_CREDENTIALS):
        return "no credentials for this storage", "credentials in the environment", credentials
    if _has(error, NO_ANSWER):
        endpoint = os.environ.get("AWS_ENDPOINT_URL") if scheme == "s3" else None
        also = f" and AWS_ENDPOINT_URL ({endpoint})" if endpoint else ""
        fix = f"check the network{also}; if the environment has no credentials, {credentials}"
        return "the storage does not answer", "a storage that this machine can reach", fix
    return (
        answer_of(error) or str(error).splitlines()[0],
        "a storage that can be read",
        "correct the URI or its settings",
    )


def _has(error: Exception, words: tuple[str, ...]) -> bool:
    return any(word in str(error) for word in words)
