"""Scores of a run as results of other evaluation tools: lm-eval and Inspect.  [pure, except for the files]

No video is copied: the files name the videos of the output. A failed or degenerate sample is in the files
without scores, with its reason, and no mean includes it.

Sources: ``lm_eval/result_schema.py`` and ``lm_eval/loggers/evaluation_tracker.py`` of the repository
EleutherAI/lm-evaluation-harness, version 0.4.13; ``inspect_ai/log/_log.py`` of the package inspect_ai,
version 0.3.285 (log format 2, JSON).
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch import __version__
from t2vbatch.analysis.intervals import standard_error
from t2vbatch.errors import UsageError, nearest
from t2vbatch.exchange.exports import as_json, check_new_folder
from t2vbatch.output.records import RESULTS, score_columns

Row = dict[str, Any]


@dataclass(frozen=True)
class EvaluatedRun:
    """What the files say about a run.

    Attributes:
        task: the name of the run.
        dataset: the manifest of the run.
        settings: model: its path, revision, dtype and call.
        better: score: its better direction.
        videos: the folder or URI that the paths of videos are relative to.
    """

    task: str
    dataset: str
    settings: Mapping[str, Mapping[str, Any]]
    better: Mapping[str, str | None]
    videos: str


@dataclass(frozen=True)
class Evaluation:
    """One model of a run.

    Attributes:
        model: the model's name in the job.
        rows: rows of results.parquet in the order of the plan.
        planned: number of its samples in the plan.
        scores: the score columns.
    """

    run: EvaluatedRun
    model: str
    rows: Sequence[Row]
    planned: int
    scores: Sequence[str]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The model's path, revision, dtype and call."""
        return self.run.settings.get(self.model, {})


@dataclass(frozen=True)
class _Mean:
    """A score's mean over its videos; ``error`` is clustered by prompt, None for a single prompt."""

    mean: float
    error: float | None
    videos: int


def export_evaluations(
    run: EvaluatedRun,
    plan: pa.Table,
    results: pa.Table,
    layout: str,
    target: Path,
    partial: bool = False,
) -> int:
    """Write the scores of every model into a new folder.

    Args:
        plan, results: as in plan.parquet and results.parquet.
        partial: write them even if samples are pending.

    Returns:
        The number of samples.

    Raises:
        UsageError: samples are pending, the layout is unknown, or the target is not empty.
    """
    if layout not in EVALUATIONS:
        raise UsageError(f"--layout {layout}", "an unknown layout", nearest(layout, EVALUATIONS))
    check_new_folder(target)
    results = results.filter(pc.is_valid(results["status"]))
    pending = plan.num_rows - results.num_rows
    if pending and not partial:
        found = f"{pending} pending samples of {plan.num_rows}"
        raise UsageError(
            "the export", found, "a result for every sample", "run the job to completion, or use --partial"
        )
    order = pc.index_in(results["sample_id"], plan["sample_id"].combine_chunks())
    results = results.take(pc.sort_indices(order))
    target.mkdir(parents=True, exist_ok=True)
    models = plan["model"].cast(pa.string()).to_pylist()
    for model in dict.fromkeys(models):
        rows = results.filter(pc.equal(results["model"], model)).to_pylist()
        one = Evaluation(run, model, rows, models.count(model), score_columns(results.schema))
        EVALUATIONS[layout](one, target)
    return int(results.num_rows)


def lm_eval(one: Evaluation, target: Path) -> None:
    """``MODEL/results_TIME.json`` and ``MODEL/samples_TASK_TIME.jsonl``, as lm-eval writes them.

    Every sample is a document; its video is the response.
    """
    task = re.sub(r"\W", "_", one.run.task)
    folder = target / re.sub(r'["<>:/|\\?*\[\]]+', "__", one.model)
    folder.mkdir()
    time = _finished(one).replace(tzinfo=None).isoformat().replace(":", "-")
    samples = [_lm_eval_sample(one, number, row) for number, row in enumerate(one.rows)]
    lines = b"".join(as_json(sample) + b"\n" for sample in samples)
    (folder / f"samples_{task}_{time}.jsonl").write_bytes(lines)
    hashes = "".join(line["doc_hash"] + line["prompt_hash"] + line["target_hash"] for line in samples)
    metrics: Row = {"name": task, "alias": task, "sample_len": len(samples)}
    means = _means(one)
    for score, mean in means.items():
        metrics[f"{score},none"] = mean.mean
        metrics[f"{score}_stderr,none"] = "N/A" if mean.error is None else mean.error
    content = {
        "results": {task: metrics},
        "group_subtasks": {task: []},
        "configs": {task: {"task": task, "dataset_path": one.run.dataset, "output_type": "generate_until"}},
        "versions": {task: 0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {score: _is_higher(one, score) for score in means}},
        "n-samples": {task: {"original": one.planned, "effective": len(samples)}},
        "config": {"model": "t2vbatch", "model_args": dict(one.settings)},
        "date": _finished(one).timestamp(),
        "task_hashes": {task: _hash(hashes)},
        "model_source": "t2vbatch",
        "model_name": one.model,
        "model_name_sanitized": folder.name,
        "t2vbatch_version": __version__,
    }
    (folder / f"results_{time}.json").write_text(_indented(content), encoding="utf-8")


def inspect(one: Evaluation, target: Path) -> None:
    """``TIME_TASK_MODEL.json``: an Inspect log, in which rows are samples and sample indices are epochs."""
    identity = _hash("".join(row["sample_id"] for row in one.rows))[:22]
    created = _finished(one).isoformat()
    samples = [_inspect_sample(one, row) for row in one.rows]
    rows = list(dict.fromkeys(row["row_id"] for row in one.rows))
    content = {
        "version": 2,
        "status": "success" if len(samples) == one.planned else "cancelled",
        "eval": {
            "eval_id": identity,
            "run_id": identity,
            "task_id": identity,
            "created": created,
            "task": one.run.task,
            "dataset": {
                "name": one.run.task,
                "location": one.run.dataset,
                "samples": len(rows),
                "sample_ids": rows,
                "shuffled": False,
            },
            "model": f"t2vbatch/{one.model}",
            "model_args": dict(one.settings),
            "config": {"epochs": max((row["sample_index"] + 1 for row in one.rows), default=1)},
            "packages": {"t2vbatch": __version__},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": one.planned,
            "completed_samples": sum(row["status"] == "ok" for row in one.rows),
            "scores": [_inspect_score(one, score, mean) for score, mean in _means(one).items()],
        },
        "stats": {"started_at": _started(one).isoformat(), "completed_at": created},
        "samples": samples,
    }
    name = f"{created.replace(':', '-')}_{re.sub(r'[^A-Za-z0-9-]+', '-', f'{one.run.task}-{one.model}')}"
    (target / f"{name}_{identity}.json").write_text(_indented(content), encoding="utf-8")


EVALUATIONS: Mapping[str, Callable[[Evaluation, Path], None]] = {"lm-eval": lm_eval, "inspect": inspect}
"""The layouts of scores, by name."""


def _lm_eval_sample(one: Evaluation, number: int, row: Row) -> Row:
    scores, prompt = _scores(one, row), row["prompt"] or ""
    doc = _document(one, row)
    response = _video(one, row) or ""
    return scores | {
        "doc_id": number,
        "doc": doc,
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": json.loads(row["call"] or "{}")}},
        "resps": [[response]],
        "filtered_resps": [response],
        "filter": "none",
        "metrics": list(scores),
        "doc_hash": _hash(as_json(doc).decode()),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(""),
    }


def _inspect_sample(one: Evaluation, row: Row) -> Row:
    """A sample of an Inspect log. A failed sample has an error; a degenerate one has no scores."""
    video = _video(one, row)
    message = {"role": "assistant", "content": video or "", "source": "generate"}
    sample: Row = {
        "id": row["row_id"],
        "epoch": row["sample_index"] + 1,
        "input": row["prompt"] or "",
        "target": "",
        "messages": [{"role": "user", "content": row["prompt"] or "", "source": "input"}],
        "output": {
            "model": f"t2vbatch/{one.model}",
            "choices": [{"message": message, "stop_reason": "stop"}] if video else [],
        },
        "scores": {name: {"value": value} for name, value in _scores(one, row).items()},
        "metadata": json.loads(as_json(_document(one, row))),
        "total_time": row["generate_s"],
        "uuid": row["sample_id"],
    }
    if row["status"] == "failed":
        sample["error"] = {
            "message": f"{row['error_type']}: {row['error']}",
            "traceback": row["traceback"] or "",
            "traceback_ansi": row["traceback"] or "",
        }
    return sample


def _inspect_score(one: Evaluation, score: str, mean: _Mean) -> Row:
    values = {"mean": mean.mean} | ({} if mean.error is None else {"stderr": mean.error})
    return {
        "name": score,
        "scorer": score,
        "scored_samples": mean.videos,
        "unscored_samples": len(one.rows) - mean.videos,
        "metrics": {name: {"name": name, "value": value} for name, value in values.items()},
        "metadata": {"better": one.run.better.get(score), "stderr": "clustered by prompt"},
    }


def _scores(one: Evaluation, row: Row) -> dict[str, float]:
    """The finite scores of a sample; none for a failed or degenerate one."""
    if row["status"] != "ok":
        return {}
    found = {name: row[name] for name in one.scores}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _means(one: Evaluation) -> dict[str, _Mean]:
    """The mean of every score that some video has."""
    found: dict[str, _Mean] = {}
    # Rows that share a sample have the same video, so they are one prompt.
    rows: dict[str, str] = {}
    scored = [(rows.setdefault(row["sample_id"], row["row_id"]), _scores(one, row)) for row in one.rows]
    for name in one.scores:
        pairs = [(row_id, scores[name]) for row_id, scores in scored if name in scores]
        if not pairs:
            continue
        values = np.array([value for _, value in pairs])
        _, index = np.unique([row_id for row_id, _ in pairs], return_inverse=True)
        sums, counts = np.bincount(index, values), np.bincount(index).astype(float)
        error = standard_error(sums.astype(float), counts) if len(sums) > 1 else None
        found[name] = _Mean(float(values.mean()), error, len(values))
    return found


def _document(one: Evaluation, row: Row) -> Row:
    """What identifies a sample, how it ended, and the manifest's own columns."""
    names = ("sample_id", "row_id", "sample_index", "seed", "prompt", "negative_prompt", "status", "error")
    own = {name: value for name, value in row.items() if name not in {*RESULTS.names, *one.scores}}
    return {name: row[name] for name in names} | {"video_sha256": row["video_sha256"]} | own


def _video(one: Evaluation, row: Row) -> str | None:
    return None if row["video"] is None else f"{one.run.videos}/{row['video']}"


def _is_higher(one: Evaluation, score: str) -> bool | None:
    better = one.run.better.get(score)
    return None if better is None else better == "higher"


def _finished(one: Evaluation) -> datetime:
    """When the last sample was finished."""
    return max((row["finished_at"] for row in one.rows if row["finished_at"]), default=_EPOCH)


def _started(one: Evaluation) -> datetime:
    return min((row["started_at"] for row in one.rows if row["started_at"]), default=_EPOCH)


_EPOCH = datetime.fromtimestamp(0, UTC)


def _indented(content: Row) -> str:
    return json.dumps(json.loads(as_json(content)), indent=2, ensure_ascii=False) + "\n"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
