"""The scheduler's input (events) and output (actions): plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from t2vbatch.errors import T2VBatchError
from t2vbatch.output.records import Status
from t2vbatch.worker.protocol import Failure, Outcome

Ending = Literal["finished", "interrupted"]

Charge = Literal["row", "memory", "timeout", "input"]
"""Why a call failed: the row, the device's memory, the worker's own deadline; or an input is missing, and no
worker was called."""

Death = Literal["crash", "infrastructure"]
"""Whether the process died by itself, or was lost with its node."""


@dataclass(frozen=True)
class Started:
    """A worker has loaded its model, on this node."""

    worker: int
    node: str


@dataclass(frozen=True)
class StartFailed:
    """A worker's model could not be loaded; with ``out_of_memory``, it did not fit into the device's
    memory."""

    worker: int
    failure: Failure
    out_of_memory: bool = False


@dataclass(frozen=True)
class Generated:
    """The frames of this unit are in the worker's memory."""

    worker: int
    key: int


@dataclass(frozen=True)
class Finished:
    """The worker has finished this unit. Samples without an outcome are still pending."""

    worker: int
    key: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Failed:
    """A call raised; the worker's process goes on."""

    worker: int
    key: int
    charge: Charge
    failure: Failure


@dataclass(frozen=True)
class Died:
    """A worker's process is gone, with every unit that it held."""

    worker: int
    death: Death
    failure: Failure


@dataclass(frozen=True)
class Heartbeat:
    """A worker's process answered. ``steps``: denoising steps that its model has done since it was loaded."""

    worker: int
    steps: int = 0


@dataclass(frozen=True)
class Fatal:
    """An error where no retry can help: the job stops."""

    error: T2VBatchError


@dataclass(frozen=True)
class Found:
    """A sample that was about to be quarantined has a record: its worker died after the commit."""

    position: int
    status: Status


@dataclass(frozen=True)
class Cluster:
    """The present state of the cluster: how many workers fit, and which nodes are draining."""

    capacity: int
    draining: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Interrupted:
    """Ctrl-C or SIGTERM. After the first, units in progress are finished; the second ends them."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


WorkerEvent = Started | StartFailed | Generated | Finished | Failed | Died | Heartbeat
RunEvent = WorkerEvent | Fatal | Cluster | Interrupted | Tick
Event = RunEvent | Found


@dataclass(frozen=True)
class Start:
    """Start a worker for a model, with these memory settings. Numbers are never used twice."""

    worker: int
    model: str
    memory: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    """End an idle worker."""

    worker: int


@dataclass(frozen=True)
class Kill:
    """End a worker's process at once, whether it is busy, idle or dead already."""

    worker: int


@dataclass(frozen=True)
class Generate:
    """Give a unit to a worker.

    ``retried``: there was an earlier attempt, whose record may exist although it was not reported: look
    first.
    """

    worker: int
    key: int
    positions: tuple[int, ...]
    attempts: tuple[int, ...]
    retried: bool


@dataclass(frozen=True)
class Finish:
    """Have a worker finish the unit that it generated under this key."""

    worker: int
    key: int


@dataclass(frozen=True)
class Quarantine:
    """Commit a record with the reason why this sample failed."""

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
    """The counts of a run. They count samples, except ``workers``, ``starting`` and ``steps``.

    Attributes:
        steps: denoising steps that the present workers have reported; it grows during a long call.
        loading: starting workers by model.
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
        """What the run waits for, for people; None once a worker is ready, or where nothing is pending."""
        if self.workers or not self.pending:
            return None
        loads = [f"{model} on {_workers(count)}" for model, count in self.loading.items()]
        return f"loading {', '.join(loads)}" if loads else "waiting for workers"

    @property
    def total(self) -> int:
        """All samples of the run."""
        return self.ok + self.degenerate + self.failed + self.running + self.pending


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
