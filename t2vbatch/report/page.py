"""Write the report: the page with its summary, the data of the samples, the scripts and the styles."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.compare import Comparison, compare, models_by_name
from t2vbatch.analysis.compare_text import difference_text, p_text
from t2vbatch.analysis.summary import ScoreSummary, Summary
from t2vbatch.analysis.summary_text import distance_notes, distance_text, interval_text, sorted_distances
from t2vbatch.media.poster import FRAMES, write_posters
from t2vbatch.metrics.protocol import Column
from t2vbatch.metrics.registry import known_columns
from t2vbatch.report.data import as_script, page_data
from t2vbatch.report.templates import render
from t2vbatch.storage.files import Folder

_STYLES = ("vendor/tabulator.min.css", "vendor/uPlot.min.css", "report.css")
_SCRIPTS = (
    "vendor/tabulator.min.js",
    "vendor/uPlot.iife.min.js",
    "samples.js",
    "frames.js",
    "film.js",
    "clock.js",
    "detail.js",
    "grid.js",
    "sidebyside.js",
    "rows.js",
    "histogram.js",
    "scatter.js",
    "charts.js",
    "failures.js",
    "page.js",
)
_LICENSES = ("vendor/tabulator.LICENSE", "vendor/uPlot.LICENSE")


def write_report(folder: Folder, results: pa.Table, summary: Summary, title: str | None = None) -> str:
    """Write ``report/`` into an output folder, and return the name of its page, relative to the folder.

    Args:
        results: one row a finished sample, as in results.parquet; rows without a status are skipped.
        summary: the summary of the same results.
        title: the page's title; None: the name of the output folder.
    """
    results = results.filter(pc.is_valid(results["status"]))
    columns = known_columns()
    better = {name: column.better for name, column in columns.items()}
    comparison = compare(models_by_name({"": results}), better)
    data = page_data(results, columns, write_posters(folder, results))
    for asset in (*_STYLES, *_SCRIPTS, *_LICENSES):
        folder.write(f"report/{asset}", files(__package__).joinpath("assets", *asset.split("/")).read_bytes())
    folder.write("report/data.js", as_script("REPORT", data | {"sheet_frames": FRAMES}))
    folder.write(
        "report/index.html",
        _page(summary, comparison, columns, title or PurePosixPath(folder.uri).name).encode(),
    )
    return "report/index.html"


@dataclass(frozen=True)
class Cell:
    """One model's score in the leaderboard: its text, and its interval on the column's axis, in percent."""

    text: str
    missing: str
    low: float | None = None
    mean: float | None = None
    high: float | None = None


def _page(summary: Summary, comparison: Comparison, columns: dict[str, Column], title: str) -> str:
    scores = list(dict.fromkeys(score.column for model in summary.models for score in model.scores))
    return render(
        "assets/index.html",
        name=title,
        styles=_STYLES,
        scripts=("data.js", *_SCRIPTS),
        summary=summary,
        scores=scores,
        better={name: columns[name].better if name in columns else None for name in scores},
        leaderboard=leaderboard(summary, scores),
        distances=sorted_distances(summary),
        distance_notes=distance_notes(summary),
        distance_text=distance_text,
        pairs=[pair for pair in comparison.pairs if pair.n],
        difference_text=difference_text,
        p_text=p_text,
    )


def leaderboard(summary: Summary, scores: list[str]) -> dict[str, dict[str, Cell]]:
    """``{model: {score: cell}}``; all models share one axis for each score."""
    board: dict[str, dict[str, Cell]] = {model.model: {} for model in summary.models}
    for name in scores:
        found = {m.model: score for m in summary.models for score in m.scores if score.column == name}
        ends = [
            end for score in found.values() for end in (score.low, score.mean, score.high) if end is not None
        ]
        for model, score in found.items():
            board[model][name] = _cell(score, min(ends, default=0.0), max(ends, default=0.0))
    return board


def _cell(score: ScoreSummary, left: float, right: float) -> Cell:
    missing = ", ".join(f"{count} {reason}" for reason, count in score.missing.items())
    if score.mean is None or right <= left:
        return Cell(interval_text(score), missing)
    low, mean, high = (
        None if end is None else round(100 * (end - left) / (right - left), 2)
        for end in (score.low, score.mean, score.high)
    )
    return Cell(interval_text(score), missing, low, mean, high)
