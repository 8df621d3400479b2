"""One try of one fault: break a run, run once more, look whether every invariant holds."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from t2vbatch.errors import T2VBatchError
from tests.faults.invariants import World, broken, calm, on_s3
from tests.faults.table import Fault


@dataclass(frozen=True)
class Trial:
    """What came of one try.

    Attributes:
        broken: what does not hold, in words; empty where all is well.
        seconds: of the fault and the run after it.
    """

    broken: tuple[str, ...]
    seconds: float

    @property
    def lost(self) -> int:
        """Records that were there before the last run, and not after."""
        return sum(sentence.endswith("is lost") for sentence in self.broken)

    @property
    def repeated(self) -> int:
        """Committed samples that were made again."""
        return sum("made again" in sentence for sentence in self.broken)

    @property
    def equal(self) -> bool:
        """Whether the bytes are those of an undisturbed run; not, where the last run did not get to them."""
        return not any(sentence.startswith(("I3", "I6", "I7")) for sentence in self.broken)


def tried(fault: Fault, number: int, folder: Path) -> Trial:
    """Try a fault for the ``number``-th time, in an empty folder."""
    world = World(folder, **fault.world)
    undisturbed = _undisturbed(json.dumps([row for row in world.rows if row.get("id") not in fault.failed]))
    start = time.monotonic()
    with on_s3(world, number) if fault.on_s3 else nullcontext():
        found = _found(fault, number, world, undisturbed)
    return Trial(tuple(found), time.monotonic() - start)


def _found(fault: Fault, number: int, world: World, undisturbed: Mapping[str, str]) -> Sequence[str]:
    """What does not hold after the fault, and after one more run."""
    try:
        fault.strike(world, number)
        before = world.before()
        code, expected = world.run(), 3 if fault.failed else 0
        assert code == expected, f"exit code {code}, not {expected}:\n{world.log()}"
        return broken(world, before, undisturbed, fault.failed, fault.charged)
    except (AssertionError, T2VBatchError, TimeoutError) as error:
        return [f"I7: {error}"]


@cache
def _undisturbed(rows: str) -> Mapping[str, str]:
    """Digests of an undisturbed run of these rows, as JSON."""
    with TemporaryDirectory() as folder:
        return calm(Path(folder), json.loads(rows))
