"""Jobs for the fake model, and two ways to run them: in this process, and in a process that a test can
kill."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vbatch.engines import Ending, Engine
from t2vbatch.job import Job
from tests.engines.fakes import FakeFactory, FakeLedger, notes


def make_job(address: str | None = None, **workers: Any) -> Job:
    """A job whose manifest and output are not used."""
    return Job.model_validate(
        {
            "manifest": "none",
            "output": "none",
            "models": {"fake": {"path": "none"}},
            "workers": workers,
            "ray": {"address": address},
        }
    )


@dataclass
class Ran:
    """The result of a run."""

    folder: Path
    ledger: FakeLedger
    ending: Ending

    @property
    def errors(self) -> dict[int, str]:
        """Error types of the quarantined samples; each had three attempts."""
        assert all(attempts == 3 for attempts, _ in self.ledger.quarantined.values())
        return {position: failure.error_type for position, (_, failure) in self.ledger.quarantined.items()}

    def generated(self, position: int) -> int:
        """How often this sample was generated."""
        return notes(self.folder, "generated").count(str(position))

    @property
    def loads(self) -> list[str]:
        """The lines that workers wrote when they loaded their models."""
        return notes(self.folder, "loads")


def run(
    engine: Engine, folder: Path, prompts: list[str], batch: int = 1, load: str = "ok", **workers: Any
) -> Ran:
    """Run these prompts."""
    ledger = FakeLedger(folder, prompts)
    factories = {"fake": FakeFactory(folder, load)}
    ending = engine.run(ledger.units(batch), make_job(**workers), factories, ledger.callbacks)
    return Ran(folder, ledger, ending)


_DRIVER = """
import sys
from pathlib import Path
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.{module} import {engine}
from tests.engines.jobs import run

def noted(interrupts, number, frame, handle=Interrupts._handle):
    handle(interrupts, number, frame)
    Path(sys.argv[1], "interrupted").touch()

Interrupts._handle = noted
ran = run({engine}(), Path(sys.argv[1]), sys.argv[2:], count=1, address={address!r})
print(ran.ending, sorted(ran.ledger.records))
"""


@contextmanager
def driver(
    module: str,
    engine: str,
    folder: Path,
    prompts: list[str],
    address: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs these prompts and prints the ending and the records; the end of the block kills it.

    Once it has counted an interrupt, the file ``interrupted`` is in the folder.

    Args:
        address: of a cluster; None: of none.
        environment: in the place of this process's own.
    """
    script = _DRIVER.format(module=module, engine=engine, address=address)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), *prompts],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(file: Path, seconds: float = 120.0) -> None:
    """Wait until a file exists."""
    until = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.02)
