"""Whether a local folder can be written, found by trying before hours of work depend on it."""

import errno
import tempfile
from pathlib import Path

from t2vbatch.errors import UsageError

_NO_PERMISSION = "fix the permissions or choose another folder"
_FIXES = {
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: "mount it writable or choose another folder",
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTCONN: "mount it again or choose another folder",
    errno.ESTALE: "mount it again or choose another folder",
    errno.EIO: "check the disk or choose another folder",
}


def check_writable(where: str, folder: Path, kind: type[UsageError] = UsageError) -> None:
    """Check that a folder can be written, or created and written; a file that it needs is removed again.

    Permissions alone do not answer this: root may write everywhere, and still not on a read-only or a lost
    mount, nor in ``/proc``.

    Args:
        where: the job key, argument or option that names the folder.
        kind: the class of the error.

    Raises:
        UsageError: the path is a file, or its nearest existing folder cannot be written.
    """
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if _exists(path))
        if not existing.is_dir():
            raise kind(where, _found(folder, existing, "is a file"), "a folder", "name another folder")
        with tempfile.TemporaryDirectory(prefix=".t2vbatch-", dir=existing):
            pass
    except OSError as error:
        existing = Path(error.filename or folder)
        existing = existing.parent if existing.name.startswith(".t2vbatch-") else existing
        reason = f"is not writable ({error.strerror or error})"
        fix = _FIXES.get(error.errno or 0, "choose another folder")
        raise kind(where, _found(folder, existing, reason), "a writable folder", fix) from None


def _exists(path: Path) -> bool:
    """Whether there is anything at this path, also a broken link. Raises OSError if that is unknown."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _found(folder: Path, existing: Path, reason: str) -> str:
    return f"{folder}, which {reason}" if existing == folder else f"{folder}, but {existing} {reason}"
