"""Convert results to the JSON that the scripts of the page read.  [pure]

Values are stored by column, and each distinct text once: 10,000 samples of 1,000 prompts make a small file.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from t2vbatch.errors import error_kind
from t2vbatch.media.poster import poster_name
from t2vbatch.output.records import RESULTS, extra_columns, score_columns
from t2vbatch.output.tables import LARGEST_EXACT

_LEFT_OUT = {"video_sha256", "score_errors"}


def page_data(
    results: pa.Table, better: Mapping[str, str | None], models: Sequence[str], posters: Collection[str]
) -> dict[str, Any]:
    """Build the data of the page.

    Args:
        results: a table with the schema of ``records.results_schema``; each row has a status.
        better: score: ``higher``, ``lower`` or None.
        models: all models, in the order of their colours.
        posters: the names of the existing posters.

    Returns:
        ``count``, ``models``, ``columns`` (name: ``{"values": [...]}`` or, for text,
        ``{"words": [...], "at": [...]}`` with -1 for null), ``scores``, ``extra``, and ``measures``:
        the numeric columns that differ between samples, by origin; ``call.NAME`` is an argument of the call.
    """
    scores, extra = score_columns(results.schema), extra_columns(results.schema)
    shown = [name for name in RESULTS.names if name not in _LEFT_OUT] + scores + extra
    data = {name: _column(results[name]) for name in shown}
    calls = {name: column for name, column in _calls(results["call"]) if name not in data}
    sources = {"scores": scores, "manifest": extra, "call": [*calls], "made": RESULTS.names}
    data |= calls
    sheets = [digest and poster_name(digest) for digest in results["frames_sha256"].to_pylist()]
    there = [sheet.removeprefix("report/") if sheet in posters else None for sheet in sheets]
    kinds = [error and error_kind(error) for error in results["error"].to_pylist()]
    own = {
        name: _column(pa.chunked_array([pa.array(texts, pa.string())]))
        for name, texts in {"poster": there, "kind of error": kinds}.items()
    }
    return {
        "count": results.num_rows,
        "models": list(models),
        "columns": data | own,
        "scores": [{"name": name, "better": better.get(name)} for name in scores],
        "extra": extra,
        "measures": [
            {"name": name, "group": group}
            for group, names in sources.items()
            for name in names
            if name in data and _differs(data[name])
        ],
    }


def as_script(name: str, value: Any) -> bytes:
    """A script that sets ``window.NAME``. It is ASCII without ``<``, so that no text can end the script.

    The value is a string for JSON.parse, which reads it faster than a script, and for which the key
    ``__proto__`` of a manifest is a key like any other.
    """
    text = json.dumps(json.dumps(value, separators=(",", ":"), allow_nan=False)).replace("<", "\\u003c")
    return f"window.{name}=JSON.parse({text});\n".encode("ascii")


def _calls(column: pa.ChunkedArray) -> Iterator[tuple[str, dict[str, Any]]]:
    """``call.NAME`` and its column, for each numeric argument that differs between calls."""
    texts = column.combine_chunks().dictionary_encode()
    calls = [json.loads(text) if text else {} for text in texts.dictionary.to_pylist()]
    at = texts.indices.to_pylist()
    for name in dict.fromkeys(name for call in calls for name in call):
        values = [_number(call.get(name)) for call in calls]
        if _differs({"values": values}):
            yield f"call.{name}", {"values": [None if index is None else values[index] for index in at]}


def _number(value: Any) -> int | float | None:
    """The value if it is a number that JavaScript represents exactly, else None."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if number and abs(value) <= LARGEST_EXACT else None


def _differs(column: Mapping[str, Any]) -> bool:
    """Whether a column has at least two different numbers."""
    return len({value for value in column.get("values", ()) if _number(value) is not None}) > 1


def _column(column: pa.ChunkedArray) -> dict[str, Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        words = column.combine_chunks().dictionary_encode()
        return {"words": words.dictionary.to_pylist(), "at": words.indices.fill_null(-1).to_pylist()}
    values = [page_value(value) for value in column.to_pylist()]
    if any(isinstance(value, int) and abs(value) > LARGEST_EXACT for value in values):
        values = [value if value is None else str(value) for value in values]
    return {"values": values}


def page_value(value: Any) -> Any:
    """The value as a JSON type."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return str(value)
