"""The scheduler's input (events) and output (actions): plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from t2vbatch.errors import T2VBatchError, counted
from t2vbatch.output.records import Status
from t2vbatch.worker.protocol import Failure, Outcome

Ending = Literal["finished", "interrupted", "spent"]
"""``spent``: the budget ended the run, with samples pending."""

Charge = Literal["row", "call", "memory", "timeout", "input", "broken_input", "permanent"]
"""Why a call failed: the row; the values of the call, such as a shape; the device's memory; the worker's own
deadline; an input that is missing or broken; or an error that no repetition changes, such as a TypeError."""

Death = Literal["crash", "infrastructure"]
"""Whether the process died by itself, or was lost with its node."""


@dataclass(frozen=True)
class Placed:
    """A worker's process runs on this node and begins to load its model."""

    worker: int
    node: str


@dataclass(frozen=True)
class Started:
    """A worker has loaded its model, on this node."""

    worker: int
    node: str


@dataclass(frozen=True)
class StartFailed:
    """A worker's model could not be loaded: with ``out_of_memory``, it did not fit into the memory of the
    device; with ``permanent``, no repetition changes the error."""

    worker: int
    failure: Failure
    out_of_memory: bool = False
    permanent: bool = False


@dataclass(frozen=True)
class Generated:
    """The frames of this unit are in the worker's memory, where they take ``held_bytes``."""

    worker: int
    key: int
    held_bytes: int = 0


@dataclass(frozen=True)
class Returned:
    """The worker did not begin this unit, because those before it took too long."""

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
    """A call raised; the worker's process continues."""

    worker: int
    key: int
    charge: Charge
    failure: Failure


@dataclass(frozen=True)
class NodeFailed:
    """A worker cannot work because of its node's scratch, disk or memory, or its access to the output.

    ``key``: the unit that failed with it; None while the worker loaded its model. ``host``: the node's name
    in messages.
    """

    worker: int
    node: str
    host: str
    error: T2VBatchError
    key: int | None = None


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
    """An error that no retry can mend: the job stops."""

    error: T2VBatchError


@dataclass(frozen=True)
class Found:
    """A sample that was about to be quarantined has a record: its worker died after the commit."""

    position: int
    status: Status


@dataclass(frozen=True)
class Cluster:
    """The present state of the cluster.

    Attributes:
        capacity: workers that fit on the nodes that are neither draining nor avoided.
        draining: nodes that the cluster is about to remove.
        nodes: the nodes where a worker can run; None if an autoscaler may add others.
    """

    capacity: int
    draining: frozenset[str] = frozenset()
    nodes: frozenset[str] | None = None


@dataclass(frozen=True)
class Interrupted:
    """Ctrl-C or SIGTERM. After the first, units in progress are finished; the second ends them."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


WorkerEvent = (
    Placed | Started | StartFailed | Generated | Returned | Finished | Failed | NodeFailed | Died | Heartbeat
)
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
class Avoid:
    """Start no more workers on this node; a Cluster event follows."""

    node: str


@dataclass(frozen=True)
class Generate:
    """Give a unit to a worker.

    ``retried``: there was an earlier attempt. Its record may exist although it was not reported, so look for
    the record first.
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


Action = Start | Stop | Kill | Avoid | Generate | Finish | Quarantine | Abort


@dataclass(frozen=True)
class Progress:
    """The counts of a run. They count samples, except ``workers``, ``starting`` and ``steps``.

    Attributes:
        steps: denoising steps that the present workers have reported; it grows during a long call.
        loading: workers that load their model, by model.
        unplaced: workers that no node has room for yet.
        needs: the resources that each of the unplaced workers needs.
        measuring: what the workers measure, as text; empty if they generate the samples of the run.
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
    unplaced: int = 0
    needs: str = ""
    measuring: str = ""

    @property
    def waits_for(self) -> str | None:
        """What the run waits for, as text; None once a worker is ready or no unit is pending."""
        if self.measuring and not self.starting:
            return f"measuring {self.measuring}"
        if self.workers or not self.pending:
            return None
        loads = [f"{model} on {counted(count, 'worker')}" for model, count in self.loading.items()]
        waits = [f"loading {', '.join(loads)}"] if loads else []
        if self.unplaced:
            waits.append(f"waiting for room for {counted(self.unplaced, 'worker')}, each with {self.needs}")
        return "; ".join(waits) or "waiting for workers"

    @property
    def total(self) -> int:
        """All samples of the run."""
        return self.ok + self.degenerate + self.failed + self.running + self.pending
