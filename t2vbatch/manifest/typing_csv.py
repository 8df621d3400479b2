"""Types of columns whose cells are all text: integers, numbers, booleans, or text.  [pure]

A column gets a type other than text only if no cell loses anything by it: ``007`` and
``12345678901234567890`` stay text and keep their digits.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.manifest.cells import INTEGER, NUMBER, number

_TRUTH = ("true", "false", "True", "False", "TRUE", "FALSE")


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in the narrowest lossless type: int64, float64, bool, or unchanged text."""
    written = column.drop_null()
    if _all(pc.match_substring_regex(written, f"^{INTEGER}$")):
        integers = _cast(column, pa.int64())
        return column if integers is None else integers
    if _all(pc.match_substring_regex(written, f"^{NUMBER}$")):
        numbers = _cast(column, pa.float64())
        return numbers if numbers is not None and _all(pc.is_finite(numbers.drop_null())) else column
    if _all(pc.is_in(written, pa.array(_TRUTH, pa.large_string()))):
        return pc.utf8_lower(column).cast(pa.bool_())
    return column


def recognised(text: str) -> Any:
    """One cell by itself: a number, a boolean, or the text."""
    return text.lower() == "true" if text in _TRUTH else number(text)


def _all(answers: pa.ChunkedArray) -> bool:
    return bool(pc.all(answers).as_py())


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return None
