"""How long commands take to answer: ``python -m tests.benchmarks.answers``.

Each command runs in a new process, first with an empty cache folder (cold), then three times with the same
folder (warm; the median). CPU seconds are shown too, because other processes of the machine slow the
clock but not them. A complete run writes its table into README.md, beside the values from the time when every
command imported torch, diffusers and scipy (``before_cpu_s``).
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).with_name("README.md")
_TABLE = re.compile(r"\| command \| goal, s \|.*?\n(?=\n)", re.DOTALL)
"""The table of README.md, up to the empty line below it."""


_REPEATS = 3
"""Warm processes of each command."""


@dataclass(frozen=True)
class Command:
    """One command line, relative to the folder that ``prepare`` made.

    Attributes:
        goal_s: seconds that it may take, on an idle machine with 2 cores.
        before_cpu_s: warm CPU seconds when every command imported torch, diffusers and scipy; None: unknown.
        exit_code: the exit code of a command that did what the row says.
        note: what the row shows, if the command alone does not say it.
    """

    line: str
    goal_s: float
    before_cpu_s: float | None = None
    exit_code: int = 0
    note: str = ""


COMMANDS = (
    Command("--help", 0.3, 0.14),
    Command("status output", 1.0, 0.68),
    Command("compare output", 1.0, 0.63),
    Command("metrics", 2.0, 0.42),
    Command("manifest check prompts.csv", 2.0, 0.53),
    Command("plan job.yaml", 2.0, 4.83),
    Command("models WanPipeline", 2.0, 5.18),
    Command(
        "run wrong.yaml --set output=new", 1.0, exit_code=2, note="refused: a metric that does not exist"
    ),
    Command(
        "run job.yaml --set output=/proc/no", 1.0, exit_code=2, note="refused: output that cannot be written"
    ),
    Command("run job.yaml", 2.5, note="nothing to do"),
    Command("doctor", 2.0, 5.39),
    Command("report output", 3.0, 4.92),
    Command("sheet output", 3.0),
    Command("score output --metrics clip_score --renew", 10.0),
)


_HEADER = (
    "| command | goal, s | before, CPU s | cold, s | warm, s | warm, CPU s |",
    "| --- | --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True)
class Answer:
    """Seconds of one process."""

    wall_s: float
    cpu_s: float


def measure(folder: Path, command: Command, cache: Path) -> Answer:
    """Run the command. Raises RuntimeError with what it printed if its exit code is another one."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [sys.executable, "-m", "t2vbatch", *command.line.split()]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != command.exit_code:
        raise RuntimeError(f"{command.line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return Answer(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def row(command: Command, cold: Answer, warm: Sequence[Answer]) -> str:
    """A row of the table; warm times are medians."""
    wall, cpu = (
        statistics.median(values) for values in zip(*((a.wall_s, a.cpu_s) for a in warm), strict=True)
    )
    name = f"`t2vbatch {command.line}`" + (f", {command.note}" if command.note else "")
    before = "" if command.before_cpu_s is None else f"{command.before_cpu_s:.2f}"
    return f"| {name} | {command.goal_s:g} | {before} | {cold.wall_s:.2f} | {wall:.2f} | {cpu:.2f} |"


def with_table(text: str, rows: Sequence[str]) -> str:
    """The text of README.md with these rows in its table of answer times."""
    found, count = _TABLE.subn(lambda match: "\n".join([*_HEADER, *rows]) + "\n", text)
    if count != 1:
        raise ValueError(f"README.md has {count} tables of answer times, expected one")
    return found


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
    """Measure, print a Markdown table, and write it into README.md if every command was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="commands that contain this text; README.md stays as it is"
    )
    only = parser.parse_args().only
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        print(*_HEADER, sep="\n")
        for number, command in enumerate(COMMANDS):
            if only in command.line:
                cache = folder / f"cache-{number}"
                cold = measure(folder, command, cache)
                rows.append(row(command, cold, [measure(folder, command, cache) for _ in range(_REPEATS)]))
                print(rows[-1], flush=True)
    if not only:
        README.write_text(with_table(README.read_text(), rows))


if __name__ == "__main__":
    main()
