"""``Results``: the results of a run as notebook output and as tables."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.compare import models_by_name
from t2vbatch.analysis.correlation import correlations
from t2vbatch.analysis.highlights import choose, extreme
from t2vbatch.analysis.summary import ScoreSummary
from t2vbatch.analysis.summary_text import interval_text
from t2vbatch.errors import UsageError, nearest
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.records import score_columns
from t2vbatch.output.store import no_run_here, open_store
from t2vbatch.report.notebook.gallery import Gallery
from t2vbatch.report.templates import render

SHOWN = 6
"""Videos below the tables: one row on a wide screen."""


class Results:
    """The results of one run, read once.

    As the last line of a cell it shows the counts, each score with its 95% interval, the failures with their
    reasons, and a few playing videos.

    Attributes:
        table: results.parquet, one row per finished sample.
        summary: the content of summary.json.

    Raises:
        UsageError: the folder has no finished run.
    """

    def __init__(self, output: str | Path) -> None:
        self._store = open_store(str(output))
        try:
            self.table: pa.Table = self._store.read_table("results.parquet")
            self.summary: dict[str, Any] = self._store.read_json("summary.json")
        except FileNotFoundError:
            raise no_run_here(self._store, "results.parquet, or no summary.json") from None

    @property
    def scores(self) -> list[str]:
        """The names of the score columns."""
        return score_columns(self.table.schema)

    def frame(self) -> pd.DataFrame:
        """The results as a pandas table."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def correlations(self) -> pd.DataFrame:
        """Spearman's correlations of the scores, by prompt means within each model, with 95% intervals.

        Columns: model, first, second, prompts, value, low, high, reason (why there is no value).
        """
        found = correlations(models_by_name({self._store.name: self.table}))
        rows = [
            {"model": one.model, "first": one.first, "second": one.second, "prompts": one.prompts}
            | {end: getattr(one.value, name, None) for end, name in _ENDS.items()}
            | {"reason": one.reason}
            for one in found
        ]
        return pd.DataFrame(rows, columns=[*_CORRELATION, *_ENDS, "reason"])

    def videos(self, count: int = SHOWN) -> Gallery:
        """Up to ``count`` videos of each model, of the same prompts and indices, chosen deterministically."""
        return Gallery(self._store, choose(self.table, count))

    def best(self, score: str, count: int = SHOWN) -> Gallery:
        """The videos with the best values of a score; the largest values if the score has no direction."""
        return Gallery(self._store, extreme(self.table, self._known(score), count, not self._down(score)))

    def worst(self, score: str, count: int = SHOWN) -> Gallery:
        """The videos with the worst values of a score; the smallest values if the score has no direction."""
        return Gallery(self._store, extreme(self.table, self._known(score), count, self._down(score)))

    def show(self, sample_ids: Iterable[str]) -> Gallery:
        """The samples with these ids in this order: ``show(frame.query("motion < 0.01").sample_id)``.

        Raises:
            UsageError: the results do not have one of the ids.
        """
        wanted = list(sample_ids)
        found = pc.index_in(pa.array(wanted, pa.string()), self.table["sample_id"].combine_chunks())
        if found.null_count:
            missing = next(name for name, at in zip(wanted, found.to_pylist(), strict=True) if at is None)
            raise UsageError(
                "show", f"{missing!r}, which no sample has as its id", "values of the column sample_id"
            )
        return Gallery(self._store, self.table.take(found))

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self.summary["counts"].items() if number)
        return f"Results({self._store.uri!r}: {counts})"

    def _repr_html_(self) -> str:
        models = self.summary["models"]
        each = max(1, SHOWN // max(1, len(models)))
        return render(
            "notebook/templates/results.html",
            name=self._store.name,
            counts=self.summary["counts"],
            columns=[_Column(name, _ARROWS[self._better(name)]) for name in self.scores]
            + [_Column(name, _ARROWS["lower"]) for name in self._distances()],
            models=[self._line(name, model) for name, model in models.items()],
            failures=self._failures(),
            cards=list(self.videos(each).cards()),
        )

    def _line(self, name: str, model: dict[str, Any]) -> "_Line":
        cells = [_cell(ScoreSummary(**model["scores"][score])) for score in self.scores]
        for distance in self._distances():
            found = model["distances"].get(distance, {}).get("value")
            cells.append(_Cell("-" if found is None else f"{found:.4g}", "", 0))
        return _Line(name, model["counts"]["ok"], model["counts"]["planned"], cells)

    def _distances(self) -> list[str]:
        """The names of all distances, such as FVD."""
        models = self.summary["models"].values()
        return list(dict.fromkeys(name for model in models for name in model.get("distances", {})))

    def _failures(self) -> list["_Failure"]:
        """The error types with their counts, the most frequent first."""
        wrong = self.table.filter(pc.not_equal(self.table["status"], "ok"))
        errors: dict[str, Counter[str]] = {}
        for kind, error in zip(wrong["error_type"].to_pylist(), wrong["error"].to_pylist(), strict=True):
            errors.setdefault(kind or "", Counter())[error or ""] += 1
        found = [_Failure(texts.total(), kind, texts.most_common(1)[0][0]) for kind, texts in errors.items()]
        return sorted(found, key=lambda failure: -failure.count)

    def _known(self, score: str) -> str:
        if score not in self.scores:
            raise UsageError(
                f"score {score!r}", "a score that the results do not have", nearest(score, self.scores)
            )
        return score

    def _better(self, score: str) -> str | None:
        column = known_columns().get(score)
        return column.better if column else None

    def _down(self, score: str) -> bool:
        return self._better(score) == "lower"


_CORRELATION = ("model", "first", "second", "prompts")
_ENDS = {"value": "mean", "low": "low", "high": "high"}
_ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}", None: ""}


@dataclass(frozen=True)
class _Column:
    """A score and the arrow of its direction."""

    name: str
    arrow: str


@dataclass(frozen=True)
class _Cell:
    value: str
    interval: str
    missing: int


@dataclass(frozen=True)
class _Line:
    """A model; its cells are in the order of the columns."""

    name: str
    ok: int
    planned: int
    cells: list[_Cell]


@dataclass(frozen=True)
class _Failure:
    """An error type and its most frequent message."""

    count: int
    kind: str
    error: str


def _cell(score: ScoreSummary) -> _Cell:
    value, _, interval = interval_text(score).partition(" ")
    return _Cell(value, interval, sum(score.missing.values()))
