"""``python -m tests.models.report`` runs a tiny pipeline of every class and rewrites PIPELINES.md.

With names of classes it runs only those, and rewrites their rows. ``make pipelines-torchvision`` does so for
classes that need torchvision, in an environment of its own.
"""

import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from packaging.version import Version

from tests.models import line
from tests.models.test_every_pipeline import ABSENT, BROKEN, LISTED, NEEDS, REPORT, RUNNING, UNCOMPILED


def main(names: Sequence[str]) -> None:
    """Run these classes, or all of them without names, and write the table with their rows."""
    with tempfile.TemporaryDirectory() as folder:
        models = line.checkpoints(names or RUNNING, Path(folder))
        results = line.run(Path(folder), "out", models, line.rows(models, Path(folder)))
    made = {row["row_id"]: row for row in results}
    # A row of another environment stays: this one lacks a package for it.
    absent = ABSENT | UNCOMPILED
    kept = {name: text for name, text in _written().items() if names or (name in absent and "| runs" in text)}
    lines = {name: _line(name, made.get(name)) for name in LISTED if name in made or name not in RUNNING}
    lines |= {name: text for name, text in kept.items() if name not in made}
    ran = sum("| runs" in text for text in lines.values())
    REPORT.write_text("\n".join([*_head(ran), *(lines[name] for name in sorted(LISTED)), ""]))


def _written() -> dict[str, str]:
    """The rows of the table as it is, by class."""
    rows = [text for text in REPORT.read_text().splitlines() if text.startswith("| ")]
    return {text.split("|")[1].strip(): text for text in rows}


def _head(ran: int) -> Iterator[str]:
    yield f"# {ran} of {len(LISTED)} video pipelines of diffusers {diffusers.__version__} run"
    yield ""
    machine = f"{platform.machine()}, torch {Version(torch.__version__).public}"
    yield "Each on a tiny checkpoint of its real class with random weights, through `t2vbatch run`, on a CPU"
    yield f"({machine}). Written by `python -m tests.models.report`. `test_every_pipeline.py` runs them"
    yield "twice and compares the bytes; `test_as_diffusers.py` compares the frames with those of diffusers"
    yield "called directly; `make pipelines-torchvision` runs classes that need torchvision. The seconds are"
    yield "those of the call on the tiny checkpoint; they say nothing about the speed of the real model."
    yield ""
    yield "| class | kind | frames | size | fps | sound | s | frames' SHA-256 | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"


def _line(name: str, row: dict[str, Any] | None) -> str:
    card = LISTED[name]
    if row is None or row["status"] != "ok":
        return f"| {name} | {card.kind} | | | {card.fps:g} | | | | {_reason(name)} |"
    size = f"{row['width']}x{row['height']}"
    cells = (name, card.kind, row["num_frames"], size, f"{card.fps:g}", _sound(row))
    measured = f"{row['generate_s']:.2f} | {row['frames_sha256'][:12]}"
    needs = f" with {NEEDS[name]}" if name in NEEDS else ""
    return f"| {' | '.join(map(str, cells))} | {measured} | runs{needs} |"


def _sound(row: dict[str, Any]) -> str:
    """Rate and channels of the sound in the file; empty where it has none."""
    return f"{row['audio_rate_hz']} Hz x {row['audio_channels']}" if row["audio_sha256"] else ""


def _reason(name: str) -> str:
    if name in BROKEN:
        return f"fails on every call in diffusers itself: `{BROKEN[name]}`"
    return f"needs {NEEDS[name]}, which is not installed" if name in ABSENT else "failed"


if __name__ == "__main__":
    main(sys.argv[1:])
