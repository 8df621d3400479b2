"""A gallery of videos that play inside the notebook."""

import base64
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from t2vbatch.analysis.highlights import caption
from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.media.poster import poster
from t2vbatch.media.video import decode, play_file, play_name
from t2vbatch.output.records import score_columns
from t2vbatch.output.store import Store
from t2vbatch.report.templates import render

LARGEST = 2_000_000
"""Size limit in bytes for embedding a video; a larger video is replaced by its contact sheet."""

_KINDS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif"}
# Small videos are enlarged without smoothing: interpolated pixels would not be the model's.
_PIXELATED_UP_TO = 192
_MIDDLE, _FIXED = "\N{MIDDLE DOT}", "\N{NO-BREAK SPACE}"
_DOT = f"{_FIXED}{_MIDDLE} "
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """One video of the gallery. ``source`` is a data URI, or None if the sample has no readable video."""

    prompt: str
    facts: str
    source: str | None
    kind: str
    missing: str | None
    pixelated: bool


class Gallery:
    """The videos of a results table, in its order; a notebook displays it.

    Args:
        samples: rows of the results; a row without a video shows its error type or status.
    """

    def __init__(self, store: Store, samples: pa.Table) -> None:
        self._store, self.samples = store, samples

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    def __repr__(self) -> str:
        lines = [" \N{MIDDLE DOT} ".join(self._words(row)) for row in self.samples.to_pylist()]
        return "\n".join([f"{len(self)} videos of {self._store.uri}", *lines])

    def _repr_html_(self) -> str:
        return render("notebook/templates/gallery.html", cards=list(self.cards()))

    def cards(self) -> Iterator[Card]:
        """One card for each sample."""
        for row in self.samples.to_pylist():
            prompt, facts = self._words(row)
            kind, source, missing = "", None, row["error_type"] or row["status"]
            if row["video"]:
                try:
                    kind, source = self._embedded(row)
                    missing = None
                except (OSError, EncodeError, StoreError) as error:
                    _log.warning("cannot show %s: %s", row["video"], error)
                    missing = "cannot be read"
            small = max(row["width"] or 0, row["height"] or 0) <= _PIXELATED_UP_TO
            yield Card(prompt, _unbroken(facts), source, kind, missing, small)

    def _words(self, row: dict[str, Any]) -> tuple[str, str]:
        return caption(row, score_columns(self.samples.schema))

    def _embedded(self, row: dict[str, Any]) -> tuple[str, str]:
        """The kind, ``video``, ``image`` or ``sheet``, and the file as a data URI."""
        with tempfile.TemporaryDirectory() as place, self._store.video(row["video"]) as path:
            file = Path(place) / play_name(path.name)
            play_file(path, row["fps"], file)
            mime = _KINDS[file.suffix]
            if file.stat().st_size <= LARGEST:
                return mime.partition("/")[0], _uri(mime, file.read_bytes())
            return "sheet", _uri("image/jpeg", poster(decode(file)))


def _unbroken(facts: str) -> str:
    """The facts with line breaks allowed only after dots, so that a number stays beside its name."""
    return _DOT.join(part.replace(" ", _FIXED) for part in facts.split(f" {_MIDDLE} "))


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
