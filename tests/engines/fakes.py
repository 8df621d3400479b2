"""A model that does what its prompt says, and records in plain files: both work across processes.

A prompt is a verb: ``ok``, ``raise``, ``exit``, ``segfault``, ``hang``, ``stop`` (as by SIGSTOP), ``oom``,
``refuse`` (an error that stops the job), ``degenerate``, ``broken-node`` (the node of the first call has a
full disk from then on). ``once:VERB`` does it the first time only, ``finish:VERB`` does it in ``finish``,
``after:VERB`` after the commit; ``slow:SECONDS`` sleeps, and ``steps:SECONDS`` does so in steps.
``loads:COUNT`` ends when that many workers have begun to load, and ``await:FILE`` when the file exists.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from t2vbatch.engines import Progress, RunCallbacks
from t2vbatch.errors import MemoryExceededError, ModelError, NodeError, RowError
from t2vbatch.models.steps import step_done
from t2vbatch.output.records import Status
from t2vbatch.plan import Sample, Unit
from t2vbatch.worker.protocol import Failure, Outcome, Work


@dataclass(frozen=True)
class FakeFactory:
    """Loads at once; ``load`` is a verb too. Workers write lines into files in ``folder``."""

    folder: Path
    load: str = "ok"

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "FakeWorker":
        threads = os.environ.get("OMP_NUM_THREADS")
        note(self.folder, "loads", " ".join([name, device, f"threads={threads}", *memory]))
        note(self.folder, "pids", str(os.getpid()))
        _act(self.load, self.folder, "load", memory)
        return FakeWorker(self.folder, tuple(memory))


class FakeWorker:
    """Holds its units by key, and commits a position by creating a file."""

    def __init__(self, folder: Path, memory: tuple[str, ...]) -> None:
        self._folder, self._memory = folder, memory
        self._made: dict[int, Work[Sample]] = {}

    def generate(self, work: Work[Sample]) -> None:
        for position, sample in zip(work.positions, work.payloads, strict=True):
            note(self._folder, "generated", str(position))
            prompt = sample.prompt or ""
            if not prompt.startswith(("finish:", "after:")):
                _act(prompt, self._folder, f"{position}", self._memory)
        self._made[work.key] = work

    def finish(self, key: int) -> tuple[Outcome, ...]:
        work = self._made.pop(key)
        return tuple(self._commit(*sample) for sample in zip(work.positions, work.payloads, strict=True))

    def _commit(self, position: int, sample: Sample) -> Outcome:
        half, _, prompt = (sample.prompt or "").partition(":")
        if half == "finish":
            _act(prompt, self._folder, f"{position}", self._memory)
        status: Status = "degenerate" if half == "degenerate" else "ok"
        try:
            with (self._folder / f"record-{position}").open("x") as file:
                file.write(status)
        except FileExistsError:
            note(self._folder, "superseded", str(position))
        if half == "after":
            _act(prompt, self._folder, f"{position}", self._memory)
        return Outcome(position, status)


def note(folder: Path, name: str, line: str) -> None:
    """Append a line in one write, which is atomic for several processes."""
    with (folder / name).open("a") as file:
        file.write(line + "\n")


def notes(folder: Path, name: str) -> list[str]:
    """The lines of a file that workers wrote."""
    file = folder / name
    return file.read_text().splitlines() if file.exists() else []


def _act(prompt: str, folder: Path, where: str, memory: Sequence[str]) -> None:
    verb, _, rest = prompt.partition(":")
    if verb == "once":
        marker = folder / f"once-{where}"
        if not marker.exists():
            marker.touch()
            _act(rest, folder, where, memory)
    elif verb == "slow":
        time.sleep(float(rest))
    elif verb == "await":
        while not (folder / rest).exists():
            time.sleep(0.02)
        time.sleep(2)  # The driver, too, takes a moment to see what happened.
    elif verb == "loads":
        while len(notes(folder, "loads")) < int(rest):
            time.sleep(0.02)
    elif verb == "steps":
        for _ in range(100):
            time.sleep(float(rest) / 100)
            step_done()
    elif verb == "oom" and rest not in memory:
        raise MemoryExceededError(f"{where} does not fit")
    elif verb == "broken-node":
        _break_first_node(folder)
    elif verb in _VERBS:
        _VERBS[verb]()


def _break_first_node(folder: Path) -> None:
    """The node of the first call has a full disk from now on."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    with contextlib.suppress(FileExistsError), (folder / "broken-node").open("x") as file:
        file.write(node)
    if (folder / "broken-node").read_text() == node:
        raise NodeError("the disk is full")


def _raise() -> None:
    raise RowError("this failure was requested")


def _full_disk() -> None:
    raise NodeError("the disk is full")


def _wrong_code() -> None:
    raise TypeError("unexpected keyword argument")


def _refuse() -> None:
    raise ModelError("models.fake.path", "this refusal was requested", "a model that does not")


def _hang() -> None:
    time.sleep(3600)


def _segfault() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(7)


_VERBS: dict[str, Callable[[], object]] = {
    "raise": _raise,
    "refuse": _refuse,
    "hang": _hang,
    "segfault": _segfault,
    "exit": _exit,
    "full-disk": _full_disk,
    "wrong-code": _wrong_code,
    "sysexit": lambda: sys.exit(7),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


@dataclass
class FakeLedger:
    """A run with prompts by position, and records as files."""

    folder: Path
    prompts: Sequence[str]
    model: str = "fake"
    quarantined: dict[int, tuple[int, Failure]] = field(default_factory=dict)
    seen: list[Progress] = field(default_factory=list)

    @property
    def callbacks(self) -> RunCallbacks[Sample]:
        return RunCallbacks(self.payload, self.committed, self.quarantine, self.progress)

    def payload(self, position: int) -> Sample:
        prompt = self.prompts[position]
        if prompt == "broken input":
            raise RowError("the image is not there")
        return Sample(f"id-{position}", f"row-{position}", self.model, 0, 0, f"{position}.mp4", prompt, None)

    def committed(self, position: int) -> Status | None:
        record = self.folder / f"record-{position}"
        return None if not record.exists() else "degenerate" if record.read_text() == "degenerate" else "ok"

    def quarantine(self, position: int, attempts: int, failure: Failure) -> None:
        assert position not in self.quarantined
        self.quarantined[position] = (attempts, failure)

    def progress(self, progress: Progress) -> None:
        assert progress.total == len(self.prompts)
        self.seen.append(progress)

    @property
    def records(self) -> set[int]:
        return {int(path.name.removeprefix("record-")) for path in self.folder.glob("record-*")}

    def units(self, batch: int = 1) -> dict[str, list[Unit]]:
        """All prompts as units of this many samples."""
        positions = range(len(self.prompts))
        starts = range(0, len(self.prompts), batch)
        return {self.model: [Unit(self.model, tuple(positions[at : at + batch]), 1.0) for at in starts]}
