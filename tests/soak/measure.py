"""What the processes of a run take: memory, handles, threads, temporary files, processes."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """Of one process: resident memory, open handles and threads; ``age_s`` since its start."""

    pid: int
    age_s: float
    rss_bytes: int
    handles: int
    threads: int


@dataclass(frozen=True)
class Measure:
    """The state at one moment.

    Attributes:
        finished: samples with a result so far.
        workers: processes that hold or load a model.
        processes: all processes below the driver, workers included.
        scratch_folders: private folders of the driver and the workers.
        temporary: other files and folders in the temporary folder.
        staged: files of videos that are being written.
    """

    at_s: float
    finished: int
    driver: Usage
    workers: tuple[Usage, ...]
    processes: int
    scratch_folders: int
    temporary: int
    staged: int


def measure(driver: psutil.Process, temporary: Path, at_s: float, finished: int) -> Measure | None:
    """Measure now; None where the driver has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = driver.children(recursive=True)
        workers = [usage for child in children if (usage := _worker(child, at_s))]
        names = [entry.name for entry in temporary.iterdir()]
        scratch = [name for name in names if name.startswith("t2vbatch-scratch-")]
        staged = sum(1 for folder in scratch for _ in _entries(temporary / folder))
        return Measure(
            at_s,
            finished,
            _usage(driver),
            tuple(workers),
            len(children),
            len(scratch),
            len(names) - len(scratch),
            staged,
        )
    return None


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in folder.rglob("*") if path.name != ".lock")


def _worker(process: psutil.Process, at_s: float) -> Usage | None:
    with contextlib.suppress(psutil.Error, IndexError):
        if process.cmdline()[0].startswith("ray::_Actor"):
            return _usage(process)
    return None


def _usage(process: psutil.Process) -> Usage:
    with process.oneshot():
        age_s = time.time() - process.create_time()
        return Usage(process.pid, age_s, process.memory_info().rss, process.num_fds(), process.num_threads())


@dataclass(frozen=True)
class Growth:
    """A quantity at the beginning and at the end, and how much it may grow."""

    name: str
    begin: float
    end: float
    slack: float

    @property
    def too_much(self) -> bool:
        """Whether it grew by more than its slack."""
        return self.end - self.begin > self.slack

    def __str__(self) -> str:
        verdict = "GREW" if self.too_much else "yes"
        return f"{self.name:44} {self.begin:10.1f} {self.end:10.1f} {self.slack:8.1f} {verdict:>6}"


WARM_S, LIFE_S = 120.0, 600.0
"""A worker has loaded its model after WARM_S, also on a busy machine. One that lived less than LIFE_S shows
no growth, as in a short soak."""


def growths(measures: Sequence[Measure], planned: int) -> list[Growth]:
    """Each quantity at the beginning, after a tenth of the samples, and at the end; empty without measures
    between the two."""
    warm = [measure for measure in measures if measure.finished >= planned / 10 and measure.workers]
    if not warm:
        return []
    size = max(1, len(warm) // 5)
    begin, end = warm[:size], warm[-size:]

    def of(name: str, value: str, slack: float, scale: float = 1.0) -> Growth:
        first, last = (statistics.median(getattr(m, value) / scale for m in part) for part in (begin, end))
        return Growth(name, first, last, slack)

    def of_driver(name: str, value: str, slack: float, scale: float = 1.0) -> Growth:
        first, last = (
            statistics.median(getattr(m.driver, value) / scale for m in part) for part in (begin, end)
        )
        return Growth(name, first, last, slack)

    return [
        of_driver("driver: resident memory, MiB", "rss_bytes", 32 + planned / 500, MIB),
        of_driver("driver: open handles", "handles", 40),
        of_driver("driver: threads", "threads", 8),
        *_of_oldest_worker(measures),
        of("processes below the driver", "processes", 3),
        of("scratch folders", "scratch_folders", 2),
        of("files in scratch folders", "staged", 12),
        of("other temporary files", "temporary", 0),
    ]


def _of_oldest_worker(measures: Sequence[Measure]) -> list[Growth]:
    """Of the worker that lived longest: its first warm measures against its last ones."""
    lives: dict[int, list[Usage]] = {}
    for moment in measures:
        for usage in moment.workers:
            lives.setdefault(usage.pid, []).append(usage)
    oldest = max(lives.values(), key=lambda life: life[-1].age_s)
    if oldest[-1].age_s < LIFE_S:
        return []
    warm = [usage for usage in oldest if usage.age_s >= WARM_S]
    size = max(1, len(warm) // 5)

    def of(name: str, value: str, slack: float, scale: float = 1.0) -> Growth:
        first, last = (
            statistics.median(getattr(usage, value) / scale for usage in part)
            for part in (warm[:size], warm[-size:])
        )
        return Growth(f"worker of {oldest[-1].age_s / 60:.0f} min: {name}", first, last, slack)

    return [
        of("resident memory, MiB", "rss_bytes", 64, MIB),
        of("open handles", "handles", 16),
        of("threads", "threads", 8),
    ]
