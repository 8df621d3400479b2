"""t2vbatch beside the scripts of ``plain/``: the same work on the same cores, in new processes.

The scripts call the pipeline once for each prompt, as the documentation shows it. So does t2vbatch, unless
its job says ``batch: 8``. All ways run in turn and several times, so that a change of the machine's speed
affects all of them. The figures are ratios of the medians of their seconds, from the start of the command to
its end.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure

WORKERS = 2
VIDEOS, FEW_VIDEOS = 200, 24
BATCH = 8
"""Videos in a call of the job with batches."""
_ROOT = Path(__file__).parents[2]
_COLOURS = ("red", "green", "blue", "yellow", "white")
_FORMS = ("circle", "square", "triangle")
_PATHS = ("left", "right", "up", "down")
_PLAIN = "tests.benchmarks.plain"

_LOOP, _SPLIT, _RAY_DATA, _OURS, _BATCHED = (
    "documentation's loop",
    "accelerate's split",
    "Ray Data map_batches",
    "t2vbatch",
    f"t2vbatch with batch: {BATCH}",
)

Measure = Callable[[Path], float]
"""Makes the videos in an empty folder; the seconds that count."""


def many(repeats: int, videos: int = VIDEOS) -> Iterator[Figure]:
    """All three scripts against two jobs: with BATCH videos in a call, and with a call for each video."""
    goals = {_LOOP: 1.4, _SPLIT: 1.1, _RAY_DATA: 1.1}
    found = _in_turn({name: way(videos) for name, way in _WAYS.items()}, repeats)
    for name, goal in goals.items():
        yield _ratio(videos, found, name, _BATCHED, goal)
    for name in goals:
        yield _ratio(videos, found, name, _OURS)


def few(repeats: int, videos: int = FEW_VIDEOS) -> Iterator[Figure]:
    """The loop alone: it has less to start."""
    found = _in_turn({name: _WAYS[name](videos) for name in (_LOOP, _OURS)}, repeats)
    yield _ratio(videos, found, _LOOP, _OURS, 0.9)


def first_video(repeats: int) -> Iterator[Figure]:
    """The seconds to the first video, with a model that takes ten seconds to load."""

    def bare(folder: Path) -> float:
        return _seconds([f"{_PLAIN}.slow_load", str(folder / "0.mp4")])

    def ours(folder: Path) -> float:
        model = {"path": "slow", "pipeline": f"{_PLAIN}.slow_load:SlowShapes"}
        return _to_first_video(_write_job(folder, 1, {"metrics": [], "models": {"slow": model}}))

    found = _in_turn({"bare": bare, _OURS: ours}, repeats)
    ratio = statistics.median(found[_OURS]) / statistics.median(found["bare"])
    yield Figure("first video of t2vbatch run / bare load and call, load of 10 s", ratio, 1.3, "", found)


def _ratio(
    videos: int, found: Mapping[str, Sequence[float]], script: str, ours: str, goal: float | None = None
) -> Figure:
    ratio = statistics.median(found[script]) / statistics.median(found[ours])
    return Figure(f"{videos} videos with CLIP scores: {script} / {ours}", ratio, goal, "", found, larger=True)


def _in_turn(ways: Mapping[str, Measure], repeats: int) -> dict[str, list[float]]:
    """Seconds of every run, by way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, measure in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(measure(Path(folder)))
    return found


def _loop(videos: int) -> Measure:
    return lambda folder: _seconds([f"{_PLAIN}.loop", *_prompts(folder, videos)])


def _split(videos: int) -> Measure:
    launcher = ["torch.distributed.run", f"--nproc-per-node={WORKERS}", "-m"]
    return lambda folder: _seconds([*launcher, f"{_PLAIN}.split", *_prompts(folder, videos)])


def _ray_data(videos: int) -> Measure:
    return lambda folder: _seconds([f"{_PLAIN}.ray_data", *_prompts(folder, videos), str(WORKERS)])


def _ours(videos: int, batch: int = 1) -> Measure:
    shapes = {"path": "bundled:shapes", "batch": batch}
    changes = {"metrics": ["clip_score"], "models": {"shapes": shapes}, "workers": {"count": WORKERS}}
    return lambda folder: _seconds(["t2vbatch", "run", str(_write_job(folder, videos, changes)), "--json"])


_WAYS: Mapping[str, Callable[[int], Measure]] = {
    _LOOP: _loop,
    _SPLIT: _split,
    _RAY_DATA: _ray_data,
    _OURS: _ours,
    _BATCHED: partial(_ours, batch=BATCH),
}


def _prompts(folder: Path, videos: int) -> list[str]:
    """The file of prompts, and the folder for the videos."""
    file = folder / "prompts.txt"
    file.write_text("\n".join(_lines(videos)), encoding="utf-8")
    return [str(file), str(folder)]


def _lines(videos: int) -> Sequence[str]:
    kinds = [f"a {colour} {form} moves {path}" for colour in _COLOURS for form in _FORMS for path in _PATHS]
    return [f"{kinds[index % len(kinds)]}, take {index}" for index in range(videos)]


def _write_job(folder: Path, videos: int, changes: Mapping[str, Any]) -> Path:
    _prompts(folder, videos)
    file = folder / "job.yaml"
    file.write_text(json.dumps({"manifest": "prompts.txt", "output": "out", **changes}), encoding="utf-8")
    return file


def _seconds(module: list[str]) -> float:
    # A file: processes that Ray leaves for a moment would keep a pipe open.
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        done = subprocess.run(**{**_process(module), "stderr": errors}, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(module)} ended with code {done.returncode}:\n{errors.read()}")
    return seconds


def _to_first_video(job: Path) -> float:
    """Seconds from the start of the command until a video is published."""
    start = time.perf_counter()
    with subprocess.Popen(**_process(["t2vbatch", "run", str(job), "--json"])) as process:
        while not any((job.parent / "out" / "videos").rglob("*.mp4")):
            assert process.poll() is None, f"{job} ended with code {process.returncode} and no video"
            time.sleep(0.02)
        return time.perf_counter() - start


def _process(module: list[str]) -> dict[str, Any]:
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        "args": [sys.executable, "-m", *module],
        "env": {**os.environ, "PYTHONPATH": path},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
