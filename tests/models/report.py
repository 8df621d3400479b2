"""``python -m tests.models.report`` runs a tiny pipeline of every class and rewrites PIPELINES.md.

With names of classes it runs only those, and rewrites their rows.
"""

import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch

from tests.models import line
from tests.models.test_every_pipeline import ABSENT, BROKEN, LISTED, NEEDS, REPORT, RUNNING


def main(names: Sequence[str]) -> None:
    """Run these classes, or all of them without names, and write the table with their rows."""
    with tempfile.TemporaryDirectory() as folder:
        models = line.checkpoints(names or RUNNING, Path(folder))
        results = line.run(Path(folder), "out", models, line.rows(models, Path(folder)))
    made = {row["row_id"]: row for row in results}
    lines = _written() if names else {}
    lines |= {name: _line(name, made.get(name)) for name in LISTED if name in made or name not in RUNNING}
    ran = sum(text.endswith("| runs |") for text in lines.values())
    REPORT.write_text("\n".join([*_head(ran), *(lines[name] for name in sorted(LISTED)), ""]))


def _written() -> dict[str, str]:
    """The rows of the table as it is, by class."""
    rows = [text for text in REPORT.read_text().splitlines() if text.startswith("| ")]
    return {text.split("|")[1].strip(): text for text in rows}


def _head(ran: int) -> Iterator[str]:
    yield f"# {ran} of {len(LISTED)} video pipelines of diffusers {diffusers.__version__} run"
    yield ""
    yield "Each on a tiny checkpoint of its real class with random weights, through `t2vbatch run`, on a CPU"
    yield f"({platform.machine()}, torch {torch.__version__}). Written by `python -m tests.models.report`;"
    yield "`test_every_pipeline.py` runs them twice and compares the bytes. The seconds are those"
    yield "of the call on the tiny checkpoint; they say nothing about the speed of the real model."
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
    return f"| {' | '.join(map(str, cells))} | {measured} | runs |"


def _sound(row: dict[str, Any]) -> str:
    """Rate and channels of the sound in the file; empty where it has none."""
    return f"{row['audio_rate_hz']} Hz x {row['audio_channels']}" if row["audio_sha256"] else ""


def _reason(name: str) -> str:
    if name in BROKEN:
        return f"fails on every call in diffusers itself: `{BROKEN[name]}`"
    return f"needs {NEEDS[name]}, which is not installed" if name in ABSENT else "failed"


if __name__ == "__main__":
    main(sys.argv[1:])
