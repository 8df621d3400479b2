"""What a storage refuses, told apart and in words for people."""

import contextlib
import errno
from collections.abc import Iterator

from obstore.exceptions import BaseError, NotFoundError

from t2vbatch.errors import StoreError


@contextlib.contextmanager
def explained(act: str, place: object, missing: bool = False) -> Iterator[None]:
    """Turn what a storage raises into the two errors that callers handle.

    ``missing``: a name that is not there is told apart from a storage that refuses. Where one writes, what
    is not there is the bucket or the folder, and that is a refusal.
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
            return "no space is left there; free some, or choose another output, and run again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "writing or reading is not allowed there; change its permissions, or choose another place"
        case _:
            return str(error).splitlines()[0] if str(error) else type(error).__name__
