"""Errors of a storage, in two kinds and in plain words."""

import contextlib
import errno
import http.client
import re
from collections.abc import Iterator
from urllib.error import HTTPError, URLError

from obstore.exceptions import BaseError, NotFoundError

from t2vbatch.errors import StoreError, shown_path

NO_ANSWER = ("HTTP error", "timed out", "error sending request", "status code: 5")
"""What an error of obstore contains if an object store does not answer, or answers that it cannot now."""

_ANSWER = re.compile(r"<Code>(.+?)</Code>.*?<Message>(.+?)</Message>", re.DOTALL)
"""The body of an error of S3 and Azure."""


@contextlib.contextmanager
def explained(act: str, place: object, missing: bool = False) -> Iterator[None]:
    """Turn the errors of a storage into the two that callers handle: FileNotFoundError and StoreError.

    Args:
        act: the verb of the message, such as ``write``.
        place: the path or URI in the message.
        missing: raise FileNotFoundError for a missing file. Leave it off for writing: then the bucket or the
            folder is missing, and that is a StoreError.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, NotFoundError) as error:
        if missing:
            raise FileNotFoundError(str(place)) from error
        raise StoreError(f"cannot {act} {shown_path(place)}: {_reason(error)}") from error
    except (OSError, BaseError, ValueError) as error:
        raise StoreError(f"cannot {act} {shown_path(place)}: {_reason(error)}") from error


def got_no_answer(error: StoreError) -> bool:
    """Whether a host did not answer at all, or only that it cannot answer now."""
    match error.__cause__:
        case HTTPError() as cause:
            return cause.code >= 500
        case URLError() as cause:
            # Without a number: an address that was refused here, before a connection.
            return isinstance(cause.reason, OSError) and _has_number(cause.reason)
        case BaseError() as cause:
            return any(words in str(cause) for words in NO_ANSWER)
        case OSError() as cause:
            return _has_number(cause)
        case cause:
            return isinstance(cause, http.client.HTTPException)


def _has_number(error: OSError) -> bool:
    """Whether the error is one of the system, or of a time that is over."""
    return error.errno is not None or isinstance(error, TimeoutError)


def answer_of(error: Exception) -> str | None:
    """The code and the sentence with which an object store refused; None if the error holds no answer."""
    found = _ANSWER.search(str(error))
    return f"{found[1]}: {found[2].strip()}" if found else None


def _reason(error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.ENOSPC | errno.EDQUOT:
            return "no space is left on the device; free some or choose another output, then run again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "permission denied; fix the permissions or choose another folder"
        case _:
            if answer := answer_of(error):
                return f"the storage answered {answer}"
            return str(error).splitlines()[0] if str(error) else type(error).__name__
