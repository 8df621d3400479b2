"""What a person sees while a run goes on: a bar on a terminal, plain lines in a log or a pipe."""

import logging
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from t2vbatch.engines import Progress as Standing
    from t2vbatch.prepare import Prepared

_LINE_EVERY_S = 10.0


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user should read before the run, to stderr."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


class _Lines(logging.Handler):
    """Shows warnings of a run: what failed, and what was done about it."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, soft_wrap=True)


class Display:
    """A context that shows progress on stderr, so that stdout stays the result's."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._line = self._bar.add_task("starting", total=None, details="", visible=False)
        self._started = self._said = time.monotonic()
        # Through the console, which knows where the bar is.
        self._log = _Lines(self._console)

    def __enter__(self) -> "Display":
        logging.getLogger("t2vbatch").addHandler(self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        logging.getLogger("t2vbatch").removeHandler(self._log)

    def begin(self, name: str, prepared: "Prepared") -> None:
        """Say what is about to run."""
        if not self._quiet:
            models = ", ".join(prepared.job.models)
            rows, samples = len(prepared.plan.manifest), len(prepared.plan)
            self._console.print(f"{name}: {rows} rows, model {models}, {samples} samples")

    def show(self, standing: "Standing") -> None:
        """Take in where the run stands; cheap enough to be called for every change."""
        if self._quiet:
            return
        done = standing.ok + standing.degenerate + standing.failed
        if not standing.workers and not done:
            self._started = time.monotonic()  # The rate is of making videos, not of loading models.
        details = self._details(standing, done)
        if self._console.is_terminal:
            self._bar.start()
            name = "making" if standing.workers else "loading models"
            self._bar.update(
                self._line,
                description=name,
                total=standing.total,
                completed=done,
                details=details,
                visible=True,
            )
        elif done == standing.total or time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            self._console.print(f"{done}/{standing.total} samples, {details}", soft_wrap=True)

    def _details(self, standing: "Standing", done: int) -> str:
        minutes = (time.monotonic() - self._started) / 60
        parts = [f"{done / minutes:.1f} videos/min" if done else f"{standing.starting} workers starting"]
        parts += [f"{standing.workers} workers"] if standing.workers else []
        parts += [f"{standing.degenerate} degenerate"] if standing.degenerate else []
        parts += [f"{standing.failed} failed"] if standing.failed else []
        return ", ".join(parts)
