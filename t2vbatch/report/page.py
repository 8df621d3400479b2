"""Write the report: the page with its summary, the data of the samples, the scripts and the styles."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.compare import Comparison, compare, models_by_name
from t2vbatch.analysis.compare_text import cautions, difference_text, p_text
from t2vbatch.analysis.summary import Summary
from t2vbatch.analysis.summary_text import distance_notes, distance_text, sorted_distances
from t2vbatch.media.poster import FRAMES, write_posters
from t2vbatch.metrics.protocol import Column
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.records import extra_columns, rows_where, score_columns
from t2vbatch.report.breakdown import breakdowns
from t2vbatch.report.data import as_script, page_data
from t2vbatch.report.forest import COLOURS, forests
from t2vbatch.report.inputs import Inputs, write_inputs
from t2vbatch.report.leaderboard import FEW_ROWS, board_notes, leaderboard, marks_of, score_names
from t2vbatch.report.matrix import matrices
from t2vbatch.report.models import differences, model_runs
from t2vbatch.report.page_files import SCRIPT, STYLE, write_assets
from t2vbatch.report.selection import MAX_VIDEOS, select
from t2vbatch.report.templates import render
from t2vbatch.report.verdict import verdict
from t2vbatch.storage.files import Folder

_VIEWS = (
    ("overview", "Overview"),
    ("gallery", "Gallery"),
    ("sidebyside", "Side by side"),
    ("vote", "Blind vote"),
    ("table", "Table"),
    ("charts", "Charts"),
)
_COMPARING = {"sidebyside", "vote"}
_STRIP_TILES_PX = (176, 150, 124, 104, 92, 92)
"""Height of a video of the strip by number of models; more rows would leave the first screen."""


def write_report(
    folder: Folder,
    results: pa.Table,
    summary: Summary,
    title: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    max_videos: int = MAX_VIDEOS,
    columns: Mapping[str, Column] | None = None,
    inputs: Inputs | None = None,
    gpus: float = 1.0,
) -> str:
    """Write ``report/`` into an output folder, and return the name of its page, relative to the folder.

    Args:
        results: one row per finished sample, as in results.parquet; rows without a status are skipped.
        summary: the summary of the same results.
        title: the page's title; None: the name of the output folder.
        settings: model: its section of the job; the page lists the keys that differ.
        max_videos: about how many samples the page shows; see ``selection.select``.
        columns: the definitions of the score columns; None: those that are known without a job.
        inputs: the input files of a row; None: no row has input files.
        gpus: GPUs of a worker that has any.
    """
    results = rows_where(results, pc.is_valid(results["status"]))
    scores, columns = score_columns(results.schema), known_columns() if columns is None else columns
    better = {name: columns[name].better if name in columns else None for name in scores}
    shown = select(results, scores, max_videos)
    models = [model.model for model in summary.models]
    data = page_data(shown, better, models, write_posters(folder, results))
    row_ids = dict.fromkeys(shown["row_id"].to_pylist())
    data |= {
        "inputs": write_inputs(folder, row_ids, inputs) if inputs else {},
        "breakdowns": breakdowns(results, extra_columns(results.schema), scores),
        "sheet_frames": FRAMES,
        "strip_rows": _strip_rows(shown, models),
        "name": title or PurePosixPath(folder.uri).name,
    }
    write_assets(folder)
    folder.write("report/data.js", as_script("REPORT", data))
    comparison = compare(models_by_name({"": results}), columns)
    page = render(
        "assets/index.html",
        **_results(summary, comparison, better),
        name=data["name"],
        strip_rows=data["strip_rows"],
        strip_tile=_STRIP_TILES_PX[data["strip_rows"] - 1],
        style=STYLE,
        scripts=("data.js", SCRIPT),
        views=[view for view in _VIEWS if len(models) > 1 or view[0] not in _COMPARING],
        models=model_runs(results, summary, gpus),
        model_keys=differences(settings or {}),
        shown=shown.num_rows,
        total=results.num_rows,
    )
    folder.write("report/index.html", page.encode())
    return "report/index.html"


def _strip_rows(shown: pa.Table, models: Sequence[str]) -> int:
    """The number of models in the strip; 0 if no sample has a video."""
    return min(len(models), len(_STRIP_TILES_PX)) if shown["video"].null_count < shown.num_rows else 0


def _results(summary: Summary, comparison: Comparison, better: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the template that come from the scores."""
    board = leaderboard(summary, comparison, better)
    return {
        "summary": summary,
        "verdict": verdict(summary, board, better),
        "scores": score_names(summary),
        "better": {name: better.get(name) for name in score_names(summary)},
        "leaderboard": board,
        "marks": marks_of(board),
        "few_rows": FEW_ROWS,
        "distances": sorted_distances(summary),
        "distance_notes": distance_notes(summary),
        "distance_text": distance_text,
        "notes": board_notes(summary),
        "forests": forests(comparison, comparison.models),
        "one_pair": len(comparison.models) == 2,
        "matrices": matrices(comparison),
        "colours": {model: index % COLOURS for index, model in enumerate(comparison.models)},
        "cautions": cautions(comparison) if len(comparison.models) > 1 else [],
        "bounded": any(pair.bounds for pair in comparison.pairs),
        "difference_text": difference_text,
        "p_text": p_text,
    }
