"""Names in a folder that every storage takes."""

import re
import unicodedata

from t2vbatch.errors import StoreError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HIDDEN, _OF_WINDOWS = "/.", ("/Thumbs.db", "/desktop.ini")


def folded(name: str) -> str:
    """The form in which disks and databases that ignore case and Unicode forms compare names."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_foreign(name: str) -> bool:
    """Whether a file manager or a copy program left this file: ``.DS_Store``, ``._a``, ``.a.Xk29dF``, or a
    file in a hidden folder.

    Args:
        name: relative to the folder that is listed.
    """
    path = f"/{name}"
    return _HIDDEN in path or path.endswith(_OF_WINDOWS)


def checked_name(name: str) -> str:
    """The name. Raises StoreError for one with empty parts, ``.``, ``..`` or control characters."""
    parts = name.split("/")
    if ".." in parts or name.startswith("/"):
        raise StoreError(f"{name!r} points outside its folder")
    if "" in parts or "." in parts or _CONTROL.search(name):
        raise StoreError(
            f"{name!r} is not a valid file name: it has an empty part, '.' or control characters"
        )
    return name
