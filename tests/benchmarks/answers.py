"""How long commands take to answer: ``python -m tests.benchmarks.answers``.

Each command runs in a new process, first with an empty cache folder (cold), then three times with the same
folder (warm; the median). CPU seconds are shown too, because other processes of the machine slow the
clock but not them.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_GOALS_S = {
    "--help": 0.3,
    "status output": 1.0,
    "compare output": 1.0,
    "plan job.yaml": 2.0,
    "models WanPipeline": 2.0,
    "doctor": 2.0,
    "metrics": 2.0,
    "manifest check prompts.csv": 2.0,
    "run wrong.yaml": 2.0,
    "run job.yaml": 2.5,
    "report output": 3.0,
    "sheet output": 3.0,
    "score output --metrics clip_score --renew": 10.0,
}
"""Command: seconds that it may take, on an idle machine with 2 cores."""


@dataclass(frozen=True)
class Answer:
    """Seconds of one process."""

    wall_s: float
    cpu_s: float


def measure(folder: Path, arguments: list[str], cache: Path) -> Answer:
    """Run the command; its exit code may be any."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "t2vbatch", *arguments]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Answer(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def prepare(folder: Path) -> None:
    """An output with 24 videos of two models, all of them finished, and a job with a mistake."""
    from t2vbatch.commands.starter import DEMO_PROMPTS

    (folder / "prompts.csv").write_text(DEMO_PROMPTS)
    job = """\
manifest: prompts.csv
output: output
engine: inline
metrics: [clip_score, clip_temporal]
models:
  few: {path: "bundled:shapes", call: {num_inference_steps: 1}}
  many: {path: "bundled:shapes", call: {num_inference_steps: 2}}
"""
    (folder / "job.yaml").write_text(job)
    (folder / "wrong.yaml").write_text(job.replace("clip_temporal", "clip_temporl"))
    subprocess.run([sys.executable, "-m", "t2vbatch", "run", "job.yaml"], cwd=folder, check=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="commands that contain this text")
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        print("| command | goal, s | cold, s | warm, s | warm, CPU s |\n| --- | --- | --- | --- | --- |")
        for line, goal in _GOALS_S.items():
            if only not in line:
                continue
            cache = folder / "cache" / line.replace("/", "_")
            cold = measure(folder, line.split(), cache)
            warm = [measure(folder, line.split(), cache) for _ in range(3)]
            times = zip(*((a.wall_s, a.cpu_s) for a in warm), strict=True)
            wall, cpu = (statistics.median(values) for values in times)
            print(f"| `t2vbatch {line}` | {goal} | {cold.wall_s:.2f} | {wall:.2f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
