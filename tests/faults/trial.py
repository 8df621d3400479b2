"""One try of one fault: break a run, run once more, look whether every invariant holds."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from t2vbatch.errors import T2VBatchError
from tests.faults.table import Fault
from tests.faults.world import INNOCENT, World, broken, calm


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
    undisturbed = _undisturbed()
    world = World(folder, **fault.world)
    start = time.monotonic()
    try:
        fault.strike(world, number)
        before = world.before()
        code, expected = world.run(), 3 if fault.failed else 0
        assert code == expected, f"exit code {code}, not {expected}:\n{world.log()}"
        found = broken(world, before, undisturbed, fault.failed, fault.charged)
    except (AssertionError, T2VBatchError, TimeoutError) as error:
        found = [f"I7: {error}"]
    return Trial(tuple(found), time.monotonic() - start)


@cache
def _undisturbed() -> dict[str, str]:
    with TemporaryDirectory() as folder:
        return calm(Path(folder), INNOCENT)
