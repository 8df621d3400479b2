"""The values that each canonical column allows, and their normal forms.  [pure]

Every function takes a value that is not None and returns its normal form, or None for an empty cell, or
raises BadCell.
"""

import base64
import contextlib
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.job import Limits
from t2vbatch.manifest.columns import IMAGES, MEDIA
from t2vbatch.manifest.media import list_cell, paths_of
from t2vbatch.manifest.problems import BadCell, shown
from t2vbatch.media.frame_folder import pack_frames
from t2vbatch.media.suffixes import VIDEO_SUFFIXES

Reader = Callable[[Any], Any]

INT64_MAX = 2**63 - 1
_PATH_BYTES = 4096
"""Most bytes of a path on Linux."""

INTEGER = r"-?(?:0|[1-9][0-9]*)"
"""An integer in its shortest form; ``007`` is a name and keeps its zeros."""
NUMBER = INTEGER + r"(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
_TEXTS = frozenset({"id", "prompt", "negative_prompt"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_INTEGER, _NUMBER = re.compile(INTEGER), re.compile(NUMBER)
_DATA_URL = re.compile(r"(?is)data:[^,]{0,100};base64,(.*)")
_BASE64 = re.compile(r"(?=/9j/|iVBORw0KGgo|R0lGOD|UklGR)[A-Za-z0-9+/\s]{40,}={0,2}")
"""Base64 that begins like that of a JPEG, PNG, GIF or WebP."""
_VISIBLE_RE2 = r"[\p{L}\p{N}\p{P}\p{S}]"
_CONTROL_RE2 = r"[\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]"


def readers(limits: Limits, textual: bool) -> dict[str, Reader]:
    """Canonical column: its reader. ``textual``: the format has only text cells, so numbers are text."""

    def prompt(value: Any) -> str | None:
        text = as_text(value)
        return read_text(text, limits, "prompt_chars") if not _blank(text) else None

    return {
        "id": lambda value: read_id(as_text(value), limits),
        "prompt": prompt,
        "negative_prompt": lambda value: read_text(as_text(value), limits, "prompt_chars"),
        "seed": (lambda value: read_seed(number(value.strip()))) if textual else read_seed,
        "samples": lambda value: read_samples(number(value) if textual else value, limits),
        "model": (lambda value: read_models(value.split(","))) if textual else read_models,
        **{name: _media_reader(name, limits) for name in MEDIA},
    }


def as_text(value: Any) -> Any:
    """The text in bytes, which old writers of Parquet do not mark as text; any other value as it is."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.rstrip(b"\0").decode()  # Types of a fixed length fill texts with zeros.
    except UnicodeDecodeError:
        raise BadCell(f"{len(value):,} bytes that are not UTF-8", "text") from None


def read_plain(name: str, cells: Sequence[Any] | pa.Array, limits: Limits) -> pa.Array | None:
    """What the reader of a text column makes of all cells, without a Python call for each of them.

    None for any other column, and if the reader would change or refuse one of the cells.
    """
    if name not in _TEXTS or (texts := _as_texts(cells, name)) is None:
        return None
    key = "id_chars" if name == "id" else "prompt_chars"
    if (pc.max(pc.utf8_length(texts)).as_py() or 0) > getattr(limits, key):
        return None
    if name != "negative_prompt" and not _all(pc.match_substring_regex(texts, _VISIBLE_RE2)):
        return None
    if pc.any(pc.match_substring(texts, "\0")).as_py():
        return None
    if name == "id" and pc.any(pc.match_substring_regex(texts, _CONTROL_RE2)).as_py():
        return None
    return texts


def read_text(value: Any, limits: Limits, key: str) -> str:
    """Text with at most as many characters as the limit ``key`` allows."""
    if not isinstance(value, str):
        raise BadCell(shown(value), "text")
    if len(value) > getattr(limits, key):
        raise BadCell(f"{len(value):,} characters", limits.bound(key))
    if "\0" in value:
        raise BadCell("a text with the character of code 0", "text")
    return value


def _as_texts(cells: Sequence[Any] | pa.Array, name: str) -> pa.Array | None:
    """The cells as an array of text; None if they are not all text, or integers of an id column."""
    if not isinstance(cells, pa.Array):
        try:
            cells = pa.array(cells)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return None
    is_text = any(is_a(cells.type) for is_a in _TEXT_TYPES)
    is_number = name == "id" and pa.types.is_integer(cells.type)
    return cells.cast(pa.large_string()) if is_text or is_number else None


def _all(mask: pa.Array) -> bool:
    return bool(pc.all(pc.fill_null(mask, True)).as_py())


def read_id(value: Any, limits: Limits) -> str:
    """An id as text: integers as their decimal digits, also in a column of floats."""
    value = whole(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadCell(shown(value), "text or an integer")
    if _blank(value):
        raise BadCell("an empty id", "text or an integer")
    if _CONTROL.search(value):
        raise BadCell(shown(value), "an id without control characters")
    return read_text(value, limits, "id_chars")


def read_seed(value: Any) -> int:
    """A seed from 0 to 2**63 - 1; ``3.0`` is 3."""
    value = whole(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INT64_MAX:
        raise BadCell(shown(value), "an integer from 0 to 2**63 - 1")
    return value


def read_samples(value: Any, limits: Limits) -> int:
    """A number of samples from 1 to ``limits.samples``; ``5.0`` is 5."""
    value = whole(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadCell(shown(value), "an integer of at least 1")
    if value > limits.samples:
        raise BadCell(shown(value), limits.bound("samples"))
    return value


def read_models(value: Any) -> list[str]:
    """Names of models, without blanks around them."""
    names = [as_text(name) for name in (value if isinstance(value, list) else [value])]
    if not all(isinstance(name, str) and not _blank(name) for name in names):
        raise BadCell(shown(value), "the name of a model, or a list of names")
    if not names:
        raise BadCell("an empty list", "the name of a model, or a list of names")
    return [name.strip() for name in names]


def read_media(value: Any) -> dict[str, Any] | None:
    """A path or URI, or bytes, as ``{path, bytes}`` with one of them None. Bytes win if a cell has both.

    Bytes that are a short text in UTF-8 are a path: no image and no video is. A text that is a data: URL, or
    the Base64 of an image, is its bytes.
    """
    if isinstance(value, bytes):
        path = _path_in(value)
        value = {"bytes": value} if path is None else path
    if isinstance(value, str):
        url = _DATA_URL.match(value)
        encoded = url[1] if url else value.strip()
        value = {"bytes": encoded} if url or _BASE64.fullmatch(encoded) else {"path": value}
    if not isinstance(value, Mapping) or set(value) - {"path", "bytes"}:
        keys = ", ".join(map(repr, sorted(map(str, value))[:5])) if isinstance(value, Mapping) else ""
        found = f"an object with {keys}" if keys else shown(value)
        raise BadCell(found, "a path, a URI, bytes, or {bytes, path}")
    path, data = value.get("path"), value.get("bytes")
    if data is not None:
        data = _from_base64(data) if isinstance(data, str) else data
        if not isinstance(data, bytes) or not data:
            raise BadCell(shown(data), "bytes of a file")
        return {"path": None, "bytes": data}
    if path is None or (isinstance(path, str) and not path.strip()):
        return None
    if not isinstance(path, str) or _CONTROL.search(path):
        raise BadCell(shown(path), "a path or a URI without control characters")
    return {"path": path, "bytes": None}


def _from_base64(text: str) -> bytes:
    """The bytes that a text holds, because JSON and CSV have no type for bytes."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise BadCell(shown(text), "bytes of a file, or their whole Base64") from None


def _path_in(data: bytes) -> str | None:
    if len(data) > _PATH_BYTES:
        return None
    with contextlib.suppress(UnicodeDecodeError):
        text = data.rstrip(b"\0").decode()
        return text if text and text.isprintable() else None
    return None


def _media_reader(name: str, limits: Limits) -> Reader:
    """The reader of a media column: one file, or a list of image files if the column takes several."""

    def read(value: Any) -> dict[str, Any] | None:
        if isinstance(value, str) and (paths := paths_of(value)) != (value,):
            value = list(paths)
        if not isinstance(value, list):
            return read_media(value)
        if len(value) > limits.media_frames:
            raise BadCell(f"a list of {len(value):,} files", limits.bound("media_frames", "files"))
        files = [file for one in value if (file := read_media(one)) is not None]
        if len(files) != len(value):
            raise BadCell("a list with an empty entry", "a file in every entry")
        if len(files) > 1 and name in IMAGES:
            raise BadCell(f"a list of {len(files)} files", "one image")
        return _joined(files)

    return read


def _joined(files: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The cell of several files: a list of paths, or the bytes of a folder of frames."""
    if len(files) < 2:
        return files[0] if files else None
    paths, data = [file["path"] for file in files], [file["bytes"] for file in files]
    if all(path is not None for path in paths):
        return {"path": list_cell(paths), "bytes": None}
    if any(one is None for one in data):
        raise BadCell("a list of paths and of bytes", "a list of paths, or of bytes")
    names = {f"{index}": one for index, one in enumerate(data)}
    return {"path": None, "bytes": pack_frames(names, names.__getitem__)}


def file_name_reader(name: str) -> Reader:
    """The reader of FILE_NAME as the column ``name``: videos for ``video``, all other files for ``image``."""

    def read(value: Any) -> dict[str, Any] | None:
        media = read_media(value)
        path = media["path"] if media else None
        is_video = path is not None and path.lower().endswith(VIDEO_SUFFIXES)
        return media if is_video == (name == "video") else None

    return read


def whole(value: Any) -> Any:
    """A whole float or decimal as an integer; any other value as it is."""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def number(text: str) -> int | float | str:
    """The number in a text, or the text itself."""
    if _INTEGER.fullmatch(text) and len(text) <= 20:
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def is_blank(text: str) -> bool:
    """Whether a text has only blanks, control characters and other invisible ones."""
    return not any(unicodedata.category(char) not in _INVISIBLE for char in text)


def _blank(value: Any) -> bool:
    return isinstance(value, str) and is_blank(value)
