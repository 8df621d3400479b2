"""Scores of another tool -> columns of the results."""

import json
import math
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from t2vbatch.errors import UsageError
from t2vbatch.exchange.benchmarks import RULES
from t2vbatch.output.records import RECORDS

_SAMPLE = ("sample_id", "row_id", "model", "sample_index")
"""The columns of a plan that an import reads."""

_PERCENT = "imaging_quality"
"""The dimension whose scores VBench writes from 0 to 100, and divides by 100 before it averages them."""

_LARGEST = 1.0 + 1e-6
"""All scores of VBench are at most 1."""


@dataclass(frozen=True)
class Imported:
    """The records with imported scores.

    Attributes:
        taken: number of imported scores.
        replaced: number of imported scores that replaced another value.
    """

    records: pa.Table
    taken: int
    replaced: int


def import_scores(
    records: pa.Table,
    plan: pa.Table,
    source: Path,
    model: str | None = None,
    prompts: Mapping[str, str] = MappingProxyType({}),
) -> Imported:
    """The records with VBench's scores added, as columns ``vbench_DIMENSION``.

    Args:
        records: with the schema RECORDS. Those of superseded samples keep their scores.
        plan: the plan's table; a sample has its model and its row, and the record may have an earlier name.
        source: VBench's result JSON, ``{dimension: [mean, [{video_path, video_results}, ...]]}``. VBench-Long
            writes the scores of clips before those of videos; only the scores of videos are imported.
        model: the model whose videos were scored; None if the plan has only one model.
        prompts: row_id: the benchmark's prompt, for rows whose ``prompt`` is a rewritten one.

    Raises:
        UsageError: the file is not a VBench result, has scores of another scale or two scores of a video, or
            its videos are not those of the plan.
    """
    rows = records.to_pylist()
    finished = {row["sample_id"]: row for row in rows}
    samples = plan.select(_SAMPLE).to_pylist()
    models = {sample["model"] for sample in samples}
    if model not in models and not (model is None and len(models) == 1):
        raise UsageError("--model", model or "nothing", f"one of {', '.join(sorted(models))}")
    found = _scores(source)
    owners: dict[str, str] = {}
    taken = replaced = 0
    for sample in samples:
        row = finished.get(sample["sample_id"])
        if row is None or model not in (None, sample["model"]):
            continue
        key = next((name for name in _names(row | sample, prompts) if name in found), None)
        if key is None or owners.get(key) == sample["sample_id"]:
            continue
        if key in owners:
            what = f"scores of {key!r}, which is the name of two videos"
            raise UsageError(str(source), what, "rows with different prompts")
        owners[key] = sample["sample_id"]
        before, scores = json.loads(row["scores"]), found[key]
        replaced += sum(before.get(name) not in (None, value) for name, value in scores.items())
        row["scores"] = json.dumps(before | scores)
        taken += len(scores)
    if others := [name for name in found if name not in owners]:
        raise UsageError(
            str(source), f"{len(others)} videos of another run, such as {others[0]!r}", "videos of this run"
        )
    return Imported(pa.Table.from_pylist(rows, RECORDS), taken, replaced)


def _names(row: Mapping[str, Any], prompts: Mapping[str, str]) -> list[str]:
    """The file names that VBench's packages expect for a video, without extension."""
    if row["prompt"] is None:
        return []
    named = {**row, "prompt_en": prompts.get(row["row_id"])}
    return list(dict.fromkeys(unicodedata.normalize("NFC", rules.stem(named)) for rules in RULES.values()))


def _scores(source: Path) -> dict[str, dict[str, float]]:
    """``prompt-index``: column: value."""
    expected = "VBench's eval_results JSON"
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(str(source), error.strerror or str(error), expected) from None
    except ValueError:
        raise UsageError(str(source), "a file that is not JSON", expected) from None
    try:
        results = [
            (dimension, entry["video_path"], float(entry["video_results"]))
            for dimension, (_, *lists) in content.items()
            # VBench-Long's last entry may be the number of videos.
            for entry in lists[-1]
            if set(entry) != {"long_video_cnt"}
        ]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        reason = "JSON that is not a VBench result"
        raise UsageError(str(source), reason, f"{expected}: {{dimension: [mean, [videos]]}}") from None
    scales = _scales(source, results)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for dimension, path, value in results:
        if math.isfinite(value):
            video = unicodedata.normalize("NFC", PurePosixPath(path).stem)
            score = value / scales.get(dimension, 1.0)
            if (other := found[video].setdefault(f"vbench_{dimension}", score)) != score:
                what = f"{dimension} of {other:g} and of {score:g} for {video!r}"
                raise UsageError(str(source), what, "one score per video", "import each model's file alone")
    return found


def _scales(source: Path, results: Sequence[tuple[str, str, float]]) -> dict[str, float]:
    """What to divide a dimension by. Raises UsageError for scores above 1 of another dimension."""
    largest: dict[str, float] = defaultdict(float)
    for dimension, _, value in results:
        if math.isfinite(value):
            largest[dimension] = max(largest[dimension], abs(value))
    for dimension, value in largest.items():
        if value > (100 if dimension == _PERCENT else 1) * _LARGEST:
            raise UsageError(
                str(source), f"{dimension} of {value:g}", "scores of VBench, which are at most 1"
            )
    return {_PERCENT: 100.0} if largest[_PERCENT] > _LARGEST else {}
