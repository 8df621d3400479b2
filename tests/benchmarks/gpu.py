"""``python -m tests.benchmarks.gpu``: five architectures in full size on one GPU, in at most eight minutes.

It builds checkpoints with random weights (``full_size.py``), runs jobs with them, and prints one table: the
share of the time in which the GPU was inside a pipeline's call, memory, the time to the first video, the gain
of the keys of ``speed``, and the price of determinism. Jobs use Ray, or the inline engine where Ray is not
installed. ``--tiny`` runs the same with tiny models on a CPU, as a check of this program.

It has not run on a GPU yet.
"""

import argparse
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from t2vbatch.models import shapes
from tests.benchmarks import full_size
from tests.benchmarks.figures import HEAD, Figure, machine
from tests.models import tiny

MINUTES = 8.0
_ROOT = Path(__file__).parents[2]
_CLIP_SIZE = 224


@dataclass(frozen=True)
class Case:
    """One job.

    Attributes:
        work: its name in the table.
        model: one of ``full_size.ARCHITECTURES``.
        videos: how many it makes; the first one is the warm-up.
        call: changes of the model's call.
        section: other keys of the model.
        tiny_section: the same for ``--tiny``, if a CPU cannot run ``section``.
        base: the name of the case whose seconds per video it is compared with.
    """

    work: str
    model: str
    videos: int = 3
    call: Mapping[str, Any] = field(default_factory=dict)
    section: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    tiny_section: Mapping[str, Any] | None = None

    def section_for(self, is_tiny: bool) -> Mapping[str, Any]:
        """The other keys of the model."""
        return self.tiny_section if is_tiny and self.tiny_section is not None else self.section


_SHORT = {"num_inference_steps": 8}
_WAN = "Wan 2.1 1.3B"
_BASE = "Wan, 8 steps"

CASES = (
    Case("Wan, 4 steps", _WAN, 6, {"num_inference_steps": 4}),
    Case("ModelScope", "ModelScope 1.7B", 8),
    Case("LTX", "LTX"),
    Case("SVD-XT", "SVD-XT"),
    Case("CogVideoX", "CogVideoX 2B"),
    Case(_BASE, _WAN, 3, _SHORT),
    Case("compile", _WAN, 3, _SHORT, {"speed": {"compile": True}}, _BASE),
    Case(
        "attention_backend",
        _WAN,
        3,
        _SHORT,
        {"speed": {"attention_backend": "_native_cudnn"}},
        _BASE,
        {"speed": {"attention_backend": "_native_math"}},
    ),
    Case(
        "cache",
        _WAN,
        3,
        _SHORT,
        {"speed": {"cache": {"class": "FirstBlockCacheConfig", "threshold": 0.1}}},
        _BASE,
    ),
    Case(
        "quantization",
        _WAN,
        3,
        _SHORT,
        {
            "speed": {
                "quantization": {
                    "transformer": {"class": "TorchAoConfig", "quant_type": "Int8WeightOnlyConfig"}
                }
            }
        },
        _BASE,
        {"speed": {"quantization": {"transformer": {"class": "QuantoConfig", "weights_dtype": "int8"}}}},
    ),
    Case("Wan, 50 steps", _WAN, 2),
)


@dataclass(frozen=True)
class Done:
    """The figures of one job. ``video_s``: seconds in the pipeline's call per video, without the first."""

    wall_s: float
    busy_share: float | None
    first_video_s: float | None
    video_s: float
    peak_bytes: int
    statuses: tuple[str, ...]


def measure(is_tiny: bool, minutes: float, folder: Path) -> Iterator[Figure | str]:
    """The figures, and a line for each case that could not be measured."""
    end = time.monotonic() + 60 * minutes
    seconds: dict[str, float] = {}
    clip = _clip(folder, is_tiny)
    for case in CASES:
        if time.monotonic() > end:
            yield f"| {case.work} | not measured: the {minutes:g} minutes are over | | |"
            continue
        try:
            done = run(case, folder, is_tiny, clip, max(30.0, end - time.monotonic()))
        except (subprocess.SubprocessError, RuntimeError) as error:
            yield f"| {case.work} | not measured: {_line(error)} | | |"
            continue
        seconds[case.work] = done.video_s
        yield from _figures(case, done, seconds)
    if time.monotonic() < end:
        try:
            yield _price_of_determinism(checkpoint("ModelScope 1.7B", folder, is_tiny), is_tiny)
        except subprocess.SubprocessError as error:
            yield f"| ModelScope: deterministic / torch's defaults | not measured: {_line(error)} | | |"


def _figures(case: Case, done: Done, seconds: Mapping[str, float]) -> Iterator[Figure]:
    details = vars(done)
    if case.base is not None:
        if case.base in seconds:
            gain = seconds[case.base] / done.video_s
            yield Figure(f"speed: {case.work}: time without / with", gain, None, "", details)
        return
    if done.busy_share is not None:
        work = f"{case.work}: busy share with scores"
        yield Figure(work, done.busy_share, 0.98, "", details, larger=True)
    yield Figure(f"{case.work}: seconds in the call per video", done.video_s, None, "s", details)
    yield Figure(f"{case.work}: peak memory", done.peak_bytes / 2**30, None, "GiB", details)
    if done.first_video_s is not None:
        yield Figure(
            f"{case.work}: start of the worker to first video", done.first_video_s, None, "s", details
        )


def run(case: Case, folder: Path, is_tiny: bool, clip: str, limit_s: float) -> Done:
    """Run the job of a case.

    Raises:
        RuntimeError: the run failed, with its message. subprocess.TimeoutExpired: it took too long.
    """
    job = write_job(case, folder, is_tiny, clip)
    command = [sys.executable, "-m", "t2vbatch", "run", str(job), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    start = time.perf_counter()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    return _read(job.parent / "out", time.perf_counter() - start)


def write_job(case: Case, folder: Path, is_tiny: bool, clip: str) -> Path:
    """The job file of a case, in a folder of its own, with its manifest."""
    own = folder / "jobs" / case.work.replace(",", "").replace(" ", "-")
    own.mkdir(parents=True)
    columns = full_size.ARCHITECTURES[case.model].columns
    rows = [{"id": f"r{index}", "prompt": f"a red ball rolls {index}"} for index in range(case.videos)]
    if "image" in columns:
        tiny.write_image(own / "image.png", 576, 1024)
        rows = [{**row, "image": "image.png"} for row in rows]
    (own / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    section = {
        "path": str(checkpoint(case.model, folder, is_tiny)),
        "dtype": "float32" if is_tiny else "bfloat16",
        "call": full_size.call(case.model, is_tiny) | ({} if is_tiny else dict(case.call)),
        **case.section_for(is_tiny),
    }
    job = {
        "manifest": "rows.jsonl",
        "output": "out",
        "models": {"m": section},
        "metrics": ["clip_score", "clip_temporal"] if "image" not in columns else ["clip_temporal"],
        "clip": {"path": clip},
        "engine": "ray" if importlib.util.find_spec("ray") and not is_tiny else "inline",
    }
    (own / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    return own / "job.yaml"


def checkpoint(model: str, folder: Path, is_tiny: bool) -> Path:
    """The folder of the checkpoint, which is built at the first call."""
    own = folder / "weights" / model.replace(" ", "-")
    if not own.exists():
        full_size.save(model, own, is_tiny, "cpu" if is_tiny else "cuda")
        gc.collect()
        torch.cuda.empty_cache()  # The jobs run in other processes, which need this memory.
    return own


def _read(output: Path, wall_s: float) -> Done:
    timing = json.loads((output / "summary.json").read_text())["timing"]
    rows = pq.read_table(output / "results.parquet").to_pylist()
    rows.sort(key=lambda row: str(row["started_at"]))
    spent = [row["generate_s"] for row in rows[1:] if row["generate_s"] is not None]
    if not spent:
        raise RuntimeError(f"no video: {rows[0]['error']}")
    peak = max(row["peak_memory_bytes"] or 0 for row in rows)
    statuses = tuple(row["status"] for row in rows)
    share, first = timing["busy_share"], timing["first_video_s"]
    return Done(wall_s, share, first, statistics.median(spent), peak, statuses)


def _clip(folder: Path, is_tiny: bool) -> str:
    """A CLIP of the size of ViT-B/32 with random weights; the bundled one for tiny models."""
    if is_tiny:
        return str(shapes.CLIP)
    from tests.models.tiny_parts import clip_processor, clip_tokenizer, transformers

    own = folder / "clip"
    transformers.CLIPModel(transformers.CLIPConfig()).save_pretrained(own)
    clip_tokenizer().save_pretrained(own)
    clip_processor(_CLIP_SIZE).save_pretrained(own)
    return str(own)


def _price_of_determinism(weights: Path, is_tiny: bool) -> Figure:
    """Each way in a process of its own: CUDA's libraries read their settings once."""
    found = {}
    for mode in ("default", "deterministic"):
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.gpu",
            "--time-call",
            mode,
            "--folder",
            str(weights),
        ]
        if is_tiny:
            command.append("--tiny")
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT)
        found[mode] = float(done.stdout.split()[-1])
    ratio = found["deterministic"] / found["default"]
    return Figure("ModelScope: deterministic / torch's defaults", ratio, None, "", found)


def time_call(mode: str, weights: Path, is_tiny: bool) -> float:
    """Seconds of the faster of two calls after a warm-up."""
    from diffusers import DiffusionPipeline

    from t2vbatch.models import set_up_torch

    if mode == "deterministic":
        set_up_torch(1)
    else:
        torch.set_num_threads(1)
    device = "cpu" if is_tiny else "cuda"
    dtype = torch.float32 if is_tiny else torch.bfloat16
    pipeline: Any = DiffusionPipeline.from_pretrained(weights, dtype=dtype).to(device)
    pipeline.set_progress_bar_config(disable=True)
    arguments = full_size.call("ModelScope 1.7B", is_tiny)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        pipeline("a red ball rolls", generator=torch.Generator("cpu").manual_seed(0), **arguments)
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


def _line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[-1].strip().replace("|", "/")[:160]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="tiny models on a CPU")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no job starts after this time")
    parser.add_argument("--folder", type=Path, help="where checkpoints and outputs go; default: temporary")
    parser.add_argument("--time-call", choices=("default", "deterministic"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time_call:
        print(time_call(options.time_call, options.folder, options.tiny))
        return
    if not options.tiny and not torch.cuda.is_available():
        sys.exit("this machine has no CUDA device; --tiny checks the program on a CPU")
    described = {**machine(), "gpu": "none" if options.tiny else torch.cuda.get_device_name()}
    print("\n".join(f"- {key}: {value}" for key, value in described.items()) + f"\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for figure in measure(options.tiny, options.minutes, Path(folder)):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
