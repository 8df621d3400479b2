"""What a person sees while a run goes on: a bar on a terminal, plain lines in a log or a pipe."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from t2vbatch.commands.prepare import Prepared
    from t2vbatch.engines import Progress as Standing

LINE_EVERY_S = 10.0
"""Between two lines in a log: enough to see that something goes on, too few to fill a disk."""


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


class _Counted(MofNCompleteColumn):
    """Samples, once there are any to count."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total is not None else Text()


class Display:
    """A context that shows progress on stderr, so that stdout stays the result's.

    What takes long without a change, such as loading a model, is shown with the seconds that it has taken.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Counted(),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            expand=True,
            transient=True,
        )
        self._line = self._bar.add_task("", total=None, details="", visible=False)
        self._started = self._said = time.monotonic()
        self._waits_for: str | None = None
        self._waits_since = 0.0
        self._left = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="display", daemon=True)
        # Through the console, which knows where the bar is.
        self._log = _Lines(self._console)

    def __enter__(self) -> "Display":
        logging.getLogger("t2vbatch").addHandler(self._log)
        if not self._quiet:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._stop()
        logging.getLogger("t2vbatch").removeHandler(self._log)

    @contextmanager
    def checking(self) -> Iterator[None]:
        """While a job is checked, before anything is started: Ctrl-C is one line and the end of the process.

        An exception would do as much, if it did not get lost in the imports of torch.
        """

        def leave(number: int, frame: object) -> None:
            self._stop()
            print("interrupted; nothing was started", file=sys.stderr, flush=True)
            os._exit(130)

        before = signal.signal(signal.SIGINT, leave)
        self.wait("checking the job")
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def wait(self, what: str | None) -> None:
        """Show what is waited for, and for how long; None ends it."""
        if what != self._waits_for:
            self._waits_for, self._waits_since = what, time.monotonic()
            self._show_waiting()

    def begin(self, name: str, prepared: "Prepared") -> None:
        """Say what is about to run."""
        if not self._quiet:
            models = ", ".join(prepared.job.models)
            rows, samples = len(prepared.plan.manifest), len(prepared.plan)
            several = "s" if len(prepared.job.models) > 1 else ""
            self._console.print(
                f"{name}: {rows} rows, model{several} {models}, {samples} samples", markup=False
            )
        self.wait("looking at the output")

    def show(self, standing: "Standing") -> None:
        """Take in where the run stands; cheap enough to be called for every change."""
        if self._quiet:
            return
        self.wait(standing.waits_for)
        if standing.waits_for:
            self._started = time.monotonic()  # The rate is of making videos, not of loading models.
            return
        done = standing.ok + standing.degenerate + standing.failed
        details = self._details(standing, done)
        if self._console.is_terminal:
            self._bar.start()
            self._update("making", details, total=standing.total, completed=done)
        elif done == standing.total or self._is_due():
            self._console.print(f"{done}/{standing.total} samples, {details}", soft_wrap=True)

    def _details(self, standing: "Standing", done: int) -> str:
        minutes = (time.monotonic() - self._started) / 60
        parts = [f"{done / minutes:.1f} videos/min"] if done else []
        parts += [_counted(standing.workers, "worker")] if standing.workers else []
        parts += [f"{standing.degenerate} degenerate"] if standing.degenerate else []
        parts += [f"{standing.failed} failed"] if standing.failed else []
        return ", ".join(parts)

    def _tick(self) -> None:
        """Lets the seconds pass while the main thread is inside Ray, or inside a model."""
        while not self._left.wait(0.5):
            self._show_waiting()

    def _show_waiting(self) -> None:
        what, seconds = self._waits_for, time.monotonic() - self._waits_since
        if what is None or self._quiet:
            return
        if self._console.is_terminal:
            self._bar.start()
            self._update(what, f"{seconds:.0f} s")
        elif seconds >= LINE_EVERY_S and self._is_due():
            self._console.print(f"{what}, {seconds:.0f} s", markup=False, soft_wrap=True)

    def _update(
        self, description: str, details: str, total: int | None = None, completed: int | None = None
    ) -> None:
        self._bar.update(
            self._line,
            description=description,
            total=total,
            completed=completed,
            details=details,
            visible=True,
        )

    def _stop(self) -> None:
        """Take the bar away. Stopping one that never began writes an empty line."""
        if self._bar.live.is_started:
            self._bar.stop()

    def _is_due(self) -> bool:
        """Whether it is time for a line in a log; if so, the next one is due a while later."""
        now = time.monotonic()
        if now - self._said < LINE_EVERY_S:
            return False
        self._said = now
        return True


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
