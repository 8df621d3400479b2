"""Runs tiny pipelines as a user would: from a job file and a manifest to the results table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import Model, load_job
from t2vbatch.models import inspect_model
from tests.models import tiny


def checkpoints(names: Sequence[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Write a tiny checkpoint for each pipeline class; the models section of a job that runs them all."""
    return {name: tiny.model(name, tiny.save(name, folder / name)).model_dump() for name in names}


def rows(models: Mapping[str, dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """One manifest row for each model, with the media that it needs, which are written into ``folder``."""
    tiny.write_image(folder / "image.png")
    tiny.write_video(folder / "video.mp4")
    media = {"image": "image.png", "last_image": "image.png", "video": "video.mp4", "control": "video.mp4"}
    found = []
    for name, section in models.items():
        facts = inspect_model(name, Model.model_validate(section))
        also = tiny.TINY_PIPELINES[name].also if name in tiny.TINY_PIPELINES else frozenset()
        row: dict[str, Any] = {"id": name, "model": name}
        row |= {column: media[column] for column in facts.requires | also if column in media}
        row |= _arrays(name, folder)
        # A row needs a prompt, an image or a video, whatever the model reads.
        reads = "prompt" in facts.accepts or not {"image", "video"} & row.keys()
        found.append(row | ({"prompt": "a red ball rolls"} if reads else {}))
    return found


def _arrays(name: str, folder: Path) -> dict[str, str]:
    """The columns that name the arrays of a row, which are written into ``folder``."""
    shapes = tiny.TINY_PIPELINES[name].arrays if name in tiny.TINY_PIPELINES else {}
    random, columns = np.random.default_rng(0), {}
    for column, shape in shapes.items():
        columns[column] = f"{name}-{column}.npy"
        np.save(folder / columns[column], random.standard_normal(shape).astype(np.float32))
    return columns


def write(
    folder: Path,
    output: str,
    models: Mapping[str, Any],
    manifest: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write the job of these models, and its manifest; ``changes`` are keys of the job."""
    lines = "".join(json.dumps(row) + "\n" for row in manifest)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    named = {row["model"] for row in manifest}
    job = {
        "manifest": "rows.jsonl",
        "output": output,
        "models": {name: section for name, section in models.items() if name in named},
        "metrics": [],
        "engine": "inline",
    }
    (folder / "job.yaml").write_text(yaml.safe_dump({**job, **(changes or {})}), encoding="utf-8")


def run(
    folder: Path,
    output: str,
    models: Mapping[str, Any],
    manifest: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Run the job of these models and rows in this process; its results table, row by row."""
    write(folder, output, models, manifest, changes)
    result = run_job(prepare(load_job(folder / "job.yaml")), engine_for)
    return list(pq.read_table(Path(result.output) / "results.parquet").to_pylist())
