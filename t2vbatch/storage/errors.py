"""Errors of a storage, in two kinds and in plain words."""

import contextlib
import errno
from collections.abc import Iterator

from obstore.exceptions import BaseError, NotFoundError

from t2vbatch.errors import StoreError


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
        raise StoreError(f"cannot {act} {place}: {_reason(error)}") from error
    except (OSError, BaseError, ValueError) as error:
        raise StoreError(f"cannot {act} {place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.ENOSPC | errno.EDQUOT:
            return "no space is left on the device; free some or choose another output, then run again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "permission denied; fix the permissions or choose another folder"
        case _:
            return str(error).splitlines()[0] if str(error) else type(error).__name__
