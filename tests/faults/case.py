"""One trial of one fault: break a run, run the job once more, check every invariant."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.invariants import JobUnderTest, broken, on_s3, undisturbed_digests
from tests.faults.table import Fault


@dataclass(frozen=True)
class Trial:
    """The result of one trial.

    Attributes:
        broken: the violated invariants, as sentences; empty if all hold.
        seconds: of the fault and the run after it.
    """

    broken: tuple[str, ...]
    seconds: float

    @property
    def lost(self) -> int:
        """Records that the last run lost."""
        return sum(violation.endswith("is lost") for violation in self.broken)

    @property
    def repeated(self) -> int:
        """Committed samples that were generated again."""
        return sum("made again" in violation for violation in self.broken)

    @property
    def equal(self) -> bool:
        """Whether the bytes are those of an undisturbed run; False also where the last run failed."""
        return not any(violation.startswith(("I3", "I6", "I7")) for violation in self.broken)


def run_trial(fault: Fault, number: int, folder: Path) -> Trial:
    """Run the ``number``-th trial of a fault, in an empty folder."""
    job = JobUnderTest(folder, **fault.job)
    undisturbed = _undisturbed(json.dumps([row for row in job.rows if row.get("id") not in fault.failed]))
    start = time.monotonic()
    with on_s3(job, number) if fault.on_s3 else nullcontext():
        found = _found(fault, number, job, undisturbed)
    return Trial(tuple(found), time.monotonic() - start)


def _found(fault: Fault, number: int, job: JobUnderTest, undisturbed: Mapping[str, str]) -> Sequence[str]:
    """The violated invariants after the fault and one more run."""
    try:
        fault.inject(job, number)
        before = job.before()
        code, expected = job.run(), 3 if fault.failed else 0
        assert code == expected, f"exit code {code}, not {expected}:\n{job.log()}"
        return broken(job, before, undisturbed, fault.failed, fault.charged)
    except Exception as error:  # Whatever ends one trial, the next one begins.
        return [f"I7: {error}"]


@cache
def _undisturbed(rows: str) -> Mapping[str, str]:
    """Digests of an undisturbed run of these rows, which are JSON."""
    with TemporaryDirectory() as folder:
        return undisturbed_digests(Path(folder), json.loads(rows))
