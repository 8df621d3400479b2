"""What the scheduler is told (events) and what it asks for (actions): plain values, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from t2vbatch.errors import T2VBatchError
from t2vbatch.output.records import Status
from t2vbatch.worker.protocol import Failure, Outcome

Ending = Literal["finished", "interrupted"]

Charge = Literal["row", "memory", "timeout", "input"]
"""Why a call failed: the row, the device's memory, the worker's own deadline; or an input could not be had,
and no worker was called at all."""

Death = Literal["crash", "infrastructure"]
"""Whether the process died of itself, or was taken away with its node."""


@dataclass(frozen=True)
class Started:
    """A worker has loaded its model, on this node."""

    worker: int
    node: str


@dataclass(frozen=True)
class StartFailed:
    """A worker's model could not be loaded. ``out_of_memory``: it did not fit."""

    worker: int
    failure: Failure
    out_of_memory: bool = False


@dataclass(frozen=True)
class Generated:
    """The frames of this unit wait in the worker."""

    worker: int
    key: int


@dataclass(frozen=True)
class Finished:
    """The worker is through with this unit. Samples without an outcome are still to be made."""

    worker: int
    key: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Failed:
    """A call raised; the worker lives."""

    worker: int
    key: int
    charge: Charge
    failure: Failure


@dataclass(frozen=True)
class Died:
    """A worker is gone, with all that was in it."""

    worker: int
    death: Death
    failure: Failure


@dataclass(frozen=True)
class Heard:
    """A worker gave a sign of life. ``steps``: what its model has done since it was loaded."""

    worker: int
    steps: int = 0


@dataclass(frozen=True)
class Fatal:
    """Something that no retry can mend: the job stops."""

    error: T2VBatchError


@dataclass(frozen=True)
class Found:
    """A sample that was to be quarantined has a record: its worker died after the commit."""

    position: int
    status: Status


@dataclass(frozen=True)
class Cluster:
    """What the cluster is now: how many workers fit, and which nodes are about to go."""

    capacity: int
    draining: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Interrupted:
    """Ctrl-C or SIGTERM. The first lets what runs finish, the second does not."""


@dataclass(frozen=True)
class Tick:
    """Nothing happened but time."""


WorkerEvent = Started | StartFailed | Generated | Finished | Failed | Died | Heard
RunEvent = WorkerEvent | Fatal | Cluster | Interrupted | Tick
Event = RunEvent | Found


@dataclass(frozen=True)
class Start:
    """Start a worker for a model, with these savings of memory. Numbers are never used twice."""

    worker: int
    model: str
    memory: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    """Let an idle worker go."""

    worker: int


@dataclass(frozen=True)
class Kill:
    """End a worker's process at once, whatever it does, if it is not dead already."""

    worker: int


@dataclass(frozen=True)
class Generate:
    """Give a unit to a worker.

    ``retried`` says that an earlier attempt was made, and may have been committed unseen: look before.
    """

    worker: int
    key: int
    positions: tuple[int, ...]
    attempts: tuple[int, ...]
    retried: bool


@dataclass(frozen=True)
class Finish:
    """Let a worker finish what it generated under this key."""

    worker: int
    key: int


@dataclass(frozen=True)
class Quarantine:
    """Commit a record that says why this sample cannot be had."""

    position: int
    attempts: int
    failure: Failure


@dataclass(frozen=True)
class Abort:
    """Stop the run with this error."""

    error: T2VBatchError


Action = Start | Stop | Kill | Generate | Finish | Quarantine | Abort


@dataclass(frozen=True)
class Progress:
    """Where the run stands. Counts are of samples, but for ``workers``, ``starting`` and ``steps``.

    Attributes:
        steps: denoising steps that the workers there are have told of; it grows while a long call goes on.
        loading: of those that are starting, how many are for each model.
    """

    ok: int
    degenerate: int
    failed: int
    running: int
    pending: int
    workers: int
    starting: int
    steps: int = 0
    loading: Mapping[str, int] = field(default_factory=dict)

    @property
    def waits_for(self) -> str | None:
        """What keeps everybody waiting, in words; None once a worker is ready, or where nothing is left."""
        if self.workers or not self.pending:
            return None
        loads = [f"{model} on {_workers(count)}" for model, count in self.loading.items()]
        return f"loading {', '.join(loads)}" if loads else "waiting for workers"

    @property
    def total(self) -> int:
        """All samples that the run was given."""
        return self.ok + self.degenerate + self.failed + self.running + self.pending


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
