"""What a person sees during a run: a bar on a terminal, plain lines in a log or a pipe."""

import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn

from t2vbatch.cli.signals import on_stop
from t2vbatch.cli.words import duration
from t2vbatch.commands.pace import Pace, remaining_s
from t2vbatch.errors import UsageError, counted, error_kind

if TYPE_CHECKING:
    from t2vbatch.commands.prepare import Prepared
    from t2vbatch.engines import Progress as RunProgress

LINE_EVERY_S = 10.0
"""Time between two lines in a log: often enough to see progress, too rare to fill a disk."""

_EQUAL_LINE_EVERY_S = 120.0
"""The same for an equal line: enough to see that the run is alive."""

_ECHO_COLUMNS = 4
"""Columns that the bar leaves free at the right: a terminal writes ^C there, and a full line would wrap."""

_LEAST_BAR_COLUMNS = 12
"""A bar of ten columns and its gaps; the text beside it is shortened before the bar is."""

_GAPS = 2
"""Columns between the three parts of the line."""

_package_log = logging.getLogger("t2vbatch")
_progress_log = logging.getLogger("t2vbatch.progress")


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user should read before the run, to stderr."""
    from t2vbatch.job.secrets import redacted

    for note in notes:
        print(f"note: {redacted(note)}", file=sys.stderr)


class _Lines(logging.Handler):
    """Shows the first warning of each kind (see ``errors.error_kind``), and counts the others."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._seen: dict[str, Counter[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        texts = self._seen.setdefault(error_kind(message), Counter())
        texts[message] += 1
        if texts.total() == 1:
            self._print(message)

    def summarize(self) -> None:
        """Show how often each repeated warning came, with ``…`` for what differed."""
        for kind, texts in self._seen.items():
            if texts.total() > 1:
                text = kind if len(texts) > 1 else next(iter(texts))
                self._print(f"{counted(texts.total(), 'time')}: {text.splitlines()[0]}")
        self._seen.clear()

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


class _Bar(ProgressColumn):
    """The share of finished samples; nothing while the run waits, because a full bar would look finished."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=None, complete_style="green")

    def render(self, task: Task) -> RenderableType:
        return self._bar.render(task) if task.fields["has_bar"] else ""


class _OneLine(Progress):
    """A bar as wide as the window is at the moment, without the columns at the right that stay free."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield Padding(self.make_tasks_table(self.tasks), (0, _ECHO_COLUMNS, 0, 0))


class Display:
    """A context that shows progress on stderr, so that stdout stays the result's.

    A step that takes long without a change, such as loading a model, is shown with the seconds that it has
    taken.

    Args:
        log_file: also write progress and warnings there, with the time of each line.

    Raises:
        UsageError: the log file cannot be opened.
    """

    def __init__(self, quiet: bool = False, log_file: Path | None = None) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        # TERM=dumb means a terminal that cannot replace a line, such as a shell inside an editor.
        self._replaces_lines = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = _OneLine(
            TextColumn("{task.description}"),
            _Bar(),
            TextColumn("{task.fields[details]}"),
            console=self._console,
            expand=True,
            transient=True,
        )
        self._line = self._bar.add_task("", total=None, details="", has_bar=False, visible=False)
        self._finished = ""
        self._pace = Pace(time.monotonic)
        self._printed_at = time.monotonic()
        self._logged, self._logged_at = "", 0.0
        self._waits_for: str | None = None
        self._waits_since = 0.0
        self._left = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="display", daemon=True)
        # Through the console, which knows where the bar is.
        self._warnings = _Lines(self._console)
        self._file = None if log_file is None else _log_to(log_file)
        self._level = _package_log.level

    def __enter__(self) -> "Display":
        _package_log.addHandler(self._warnings)
        if self._file is not None:
            _package_log.addHandler(self._file)
            _package_log.setLevel(logging.INFO)
        if not self._quiet or self._file is not None:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._stop()
        self._warnings.summarize()
        # The command line prints the error: here it goes into the file only.
        _package_log.removeHandler(self._warnings)
        if self._file is not None:
            if error is not None:
                _package_log.error("%s: %s", type(error).__name__, error)
            _package_log.removeHandler(self._file)
            _package_log.setLevel(self._level)
            self._file.close()

    @contextmanager
    def checking(self) -> Iterator[None]:
        """While a job is checked, before anything is started: a signal prints one line and ends the process.

        An exception would do the same, but torch catches it while it is imported.
        """

        def leave(reason: str) -> None:
            self._stop()
            print(f"{reason}; nothing was started", file=sys.stderr, flush=True)
            os._exit(130)

        with on_stop(leave):
            self.wait("checking the job")
            yield

    def wait(self, what: str | None, finished: str | None = None) -> None:
        """Show what the command waits for, for how long, and what is finished; None ends it."""
        if finished is not None:
            self._finished = finished
        if what != self._waits_for:
            self._waits_for, self._waits_since = what, time.monotonic()
            self._show_waiting()

    def begin(self, name: str, prepared: "Prepared") -> None:
        """Show what is about to run."""
        models = ", ".join(prepared.job.models)
        several = "s" if len(prepared.job.models) > 1 else ""
        rows, samples = prepared.plan.rows.num_rows, len(prepared.plan)
        text = f"{name}: {counted(rows, 'row')}, model{several} {models}, {counted(samples, 'sample')}"
        _progress_log.info("%s", text)
        if not self._quiet:
            self._console.print(text, markup=False)
        self.wait("reading the output")

    def show(self, progress: "RunProgress") -> None:
        """Take in the state of the run; cheap enough to be called for every change."""
        done = progress.ok + progress.degenerate + progress.failed
        self._finished = f"{done:,}/{progress.total:,} samples" if done else ""
        self.wait(progress.waits_for)
        if progress.waits_for:
            return
        self._pace.add(done)
        text = self._details(progress)
        if self._replaces_lines and not self._quiet:
            self._bar.start()
            shown = self._details(progress, self._free_columns() - len("generating") - _LEAST_BAR_COLUMNS)
            details = f"[red]{shown}[/]" if progress.failed else shown
            self._update("generating", details, progress.total, done)
        if done == progress.total or self._is_due():
            self._log(text)

    def _free_columns(self) -> int:
        """Columns of the line, at this moment."""
        return max(self._console.width - _ECHO_COLUMNS, 20)

    def _details(self, progress: "RunProgress", width: int | None = None) -> str:
        """Counts, rate and time left; as many of them as fit the width, the most important first."""
        done = progress.ok + progress.degenerate + progress.failed
        rate = self._pace.rate_per_min()
        left = remaining_s(progress.pending + progress.running, rate)
        parts = [f"{done:,}/{progress.total:,} samples"]
        parts += [f"{progress.failed:,} failed"] if progress.failed else []
        parts += [f"{duration(left)} left"] if left else []
        parts += [f"{rate:.1f} videos/min"] if rate else []
        parts += [f"{progress.degenerate:,} degenerate"] if progress.degenerate else []
        parts += [counted(progress.workers, "worker")] if progress.workers else []
        while width is not None and len(parts) > 1 and len(", ".join(parts)) > width:
            parts.pop()
        return ", ".join(parts)

    def _tick(self) -> None:
        """Update the seconds while the main thread is inside Ray, or inside a model."""
        while not self._left.wait(0.5):
            self._show_waiting()

    def _show_waiting(self) -> None:
        what, seconds = self._waits_for, time.monotonic() - self._waits_since
        if what is None:
            return
        if self._replaces_lines and not self._quiet:
            self._bar.start()
            self._update(escape(self._waiting(what, seconds, self._free_columns() - _GAPS)))
        elif seconds >= LINE_EVERY_S and self._is_due():
            self._log(self._waiting(what, seconds))

    def _log(self, text: str) -> None:
        """A line of the log. For two minutes an equal one is left out: a long wait is shown in minutes."""
        now = time.monotonic()
        if text == self._logged and now - self._logged_at < _EQUAL_LINE_EVERY_S:
            return
        self._logged, self._logged_at = text, now
        _progress_log.info("%s", text)
        if not self._replaces_lines and not self._quiet:
            self._console.print(text, markup=False, soft_wrap=True)

    def _waiting(self, what: str, seconds: float, width: int | None = None) -> str:
        """What the run waits for, and how many samples are finished if that fits the width."""
        text = f"{what}, {duration(seconds)}"
        full = f"{text}; {self._finished}" if self._finished else text
        if width is None or len(full) <= width:
            return full
        over = len(text) - width
        return text if over <= 0 else f"{what[: -over - 1]}…, {duration(seconds)}"

    def _update(
        self, description: str, details: str = "", total: int | None = None, completed: int | None = None
    ) -> None:
        """Replace the line; both texts are markup of rich."""
        self._bar.update(
            self._line,
            description=description,
            details=details,
            total=total,
            completed=completed,
            has_bar=total is not None,
            visible=True,
        )

    def _stop(self) -> None:
        """Remove the bar. Stopping a bar that was never started would print an empty line."""
        if self._bar.live.is_started:
            self._bar.stop()

    def _is_due(self) -> bool:
        """Whether it is time for a line in a log; if so, the next one is due LINE_EVERY_S later."""
        now = time.monotonic()
        if now - self._printed_at < LINE_EVERY_S:
            return False
        self._printed_at = now
        return True


def _log_to(path: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        fix = "name a file in a folder that exists and is writable"
        raise UsageError(f"--log-file {path}", error.strerror or str(error), "a writable file", fix) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
