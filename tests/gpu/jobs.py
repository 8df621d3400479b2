"""Jobs with a Wan of two layers that are wide enough to fill some hundred MiB."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job
from t2vbatch.models import shapes
from tests.benchmarks.full_size import umt5_xxl
from tests.models import tiny
from tests.models.tiny_parts import diffusers

CALL: Mapping[str, Any] = {"height": 64, "width": 64, "num_frames": 9, "num_inference_steps": 3}


@cache
def checkpoint(folder: Path) -> Path:
    """The checkpoint: in float32 about 400 MiB for the transformer, and 770 MiB for the text encoder."""
    torch.manual_seed(0)
    parts = tiny.TINY_PIPELINES["WanPipeline"].parts()
    del parts["boundary_ratio"]
    wide: dict[str, Any] = {"num_attention_heads": 12, "ffn_dim": 8192, "text_dim": 4096, "num_layers": 2}
    parts |= {"transformer": diffusers.WanTransformer3DModel(**wide), "transformer_2": None}
    parts["text_encoder"] = umt5_xxl(num_layers=1)
    diffusers.WanPipeline(**parts).save_pretrained(folder)
    return folder


def write(folder: Path, weights: Path, rows: int = 3, **section: Any) -> Path:
    """A job file in a new folder."""
    folder.mkdir(parents=True)
    (folder / "prompts.txt").write_text("\n".join(f"a red ball rolls {index}" for index in range(rows)))
    model = {"path": str(weights), "call": dict(CALL), **section}
    job = {
        "manifest": "prompts.txt",
        "output": "out",
        "engine": "inline",
        "models": {"wan": model},
        "metrics": ["clip_score"],
        "clip": {"path": str(shapes.CLIP)},
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    return folder / "job.yaml"


def run(job: Path, *sets: str) -> Result:
    """Run it in this process."""
    return run_job(prepare(load_job(job, sets)), engine_for)


def run_command(job: Path, *options: str) -> None:
    """Run it in a process of its own."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "t2vbatch", "run", str(job), *options]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(root)})


def rows(job: Path) -> list[dict[str, Any]]:
    """The results, by seed."""
    found = pq.read_table(job.parent / "out/results.parquet").to_pylist()
    return sorted(found, key=lambda row: int(row["seed"]))


def digests(job: Path) -> list[tuple[str, float]]:
    """Bytes and score of each video."""
    return [(row["frames_sha256"], row["clip_score"]) for row in rows(job)]
