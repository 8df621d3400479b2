"""Ray actors as workers.

Ray places actors, starts their processes, detects their death and adds nodes. It retries nothing:
t2vbatch.schedule decides what to do with a unit. Only Work and events cross between processes.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError

from t2vbatch.engines.devices import budget_s, cpus_each, gpus_each
from t2vbatch.engines.interrupts import interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.engines.protocol import Ending, P, RunCallbacks
from t2vbatch.engines.ray_cluster import connected, draining_nodes, node_kinds, nodes, stderr_tail
from t2vbatch.engines.worker_process import WorkerProcess
from t2vbatch.errors import CrashError, JobError, RunError
from t2vbatch.job import Job
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.storage.scratch import delete_abandoned
from t2vbatch.worker.protocol import Factory, Failure, Work

HEARTBEAT_S = 10.0
SILENCE_S = 120.0
"""A process answers heartbeats in milliseconds while it generates. After two minutes without an answer it is
stopped, or native code holds Python's lock for good; a machine under load answers earlier."""

WAIT_S = 0.1
"""Longest wait for an answer. Python delivers signals between two waits, and two within one wait count as
one; a second Ctrl-C should count."""

MOST_TOGETHER = 8
"""Short units that a worker gets at once: a message for each of them would cost more than the unit."""

FEW_CALLS = 32
"""Up to this number of calls in progress, a second look for more answers costs as much as the next wait."""

MAX_FINISH_THREADS = 8
"""Most threads that ``workers.finish: auto`` gives a worker: with eight, videos are finished faster than any
model generates them."""

CLUSTER_S = 5.0
"""Time between two looks at the nodes: short enough for a drain notice of 30 s, at one call to Ray each."""


class RayEngine:
    """Workers in processes of their own, here or on a cluster."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory[P]],
        callbacks: RunCallbacks[P],
    ) -> Ending:
        """See Engine.run."""
        try:
            with (
                connected(job) as variables,
                ActorPool(job, factories, variables) as backend,
                interrupts() as counted,
            ):
                limits = RunLimits(
                    workers=backend.capacity(),
                    minimum=job.workers.min,
                    maximum=job.workers.max,
                    timeout_s=job.workers.timeout_s,
                    silence_s=SILENCE_S,
                    load_s=job.workers.load_timeout_s,
                    finish_threads=backend.finish_threads,
                    together=MOST_TOGETHER,
                    needs=backend.needs,
                )
                scheduler = Scheduler(units, limits)
                return run_loop(scheduler, backend, callbacks, counted, budget_s=backend.budget_s)
        except RayError as error:
            raise RunError(f"Ray failed: {error}") from error
        finally:
            delete_abandoned()  # Ray ends its workers by SIGKILL, so they delete nothing themselves.


class _Actor(WorkerProcess):
    def node(self) -> str:
        return str(ray.get_runtime_context().get_node_id())


def _options(job: Job, gpus: float, finish_threads: int, variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        "num_cpus": cpus_each(job),
        "num_gpus": gpus,
        "max_restarts": 0,
        "max_task_retries": 0,
        "concurrency_groups": {"generate": 1, "finish": finish_threads, "watch": 1},
        # Before the process starts: torch's own setting is per thread, and a worker has several threads.
        "runtime_env": {"env_vars": dict(variables)} if variables else None,
    }


@dataclass(frozen=True)
class _Call:
    """A call of an actor in progress, and the keys of the units that it finishes."""

    worker: int
    keys: tuple[int, ...] = ()


class ActorPool:
    """Starts, feeds and ends actors. The result of every call in progress is one event, or several.

    All units that a worker gets between two looks at the events go to it in one call, because a call costs
    driver and worker half a millisecond each.

    Args:
        variables: environment variables that each actor's process must get.

    Attributes:
        needs: the resources of one worker, as text for messages.
        finish_threads: units that a worker finishes at the same time.
        budget_s: seconds of all workers together that the job's budget allows; None: no limit.
    """

    def __init__(self, job: Job, factories: Mapping[str, Factory[Any]], variables: Mapping[str, str]) -> None:
        self._job, self._factories = job, factories
        self._gpus = gpus_each(job, _gpus_of_cluster())
        self.budget_s = budget_s(job, self._gpus)
        self.needs = _resources(cpus_each(job), self._gpus)
        self._avoided: set[str] = set()
        self._require_room()
        self.finish_threads = self._finish_threads()
        self._class = ray.remote(**_options(job, self._gpus, self.finish_threads, variables))(_Actor)
        self._actors: dict[int, Any] = {}
        self._nodes: dict[int, str] = {}
        self._works: dict[int, list[Work[Any]]] = {}
        self._keys: dict[int, list[int]] = {}
        self._calls: dict[ray.ObjectRef[Event | list[Event]], _Call] = {}
        self._next_beat = self._next_look = 0.0

    def __enter__(self) -> "ActorPool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._actors):
            self.kill(worker)

    def capacity(self) -> int:
        """Workers that the job asks for, or that fit on the present nodes; at least one, so that an
        autoscaler sees the demand."""
        if self._job.workers.count != "auto":
            return self._job.workers.count
        return max(1, sum(self._fits(node["Resources"]) for node in self._usable_nodes()))

    def start(self, action: m.Start) -> None:
        """See Backend.start."""
        worker, name = action.worker, f"{action.model}-{action.worker}"
        self._actors[worker] = self._class.options(**self._placement()).remote(
            worker, self._job.workers.timeout_s
        )
        self._call("watch", _Call(worker), "place")
        device = "cuda" if self._gpus else "cpu"
        factory = self._factories[action.model]
        self._call("generate", _Call(worker), "load", factory, name, device, action.memory)

    def kill(self, worker: int) -> None:
        """See Backend.kill. Later answers of the worker are dropped."""
        for known in (self._nodes, self._works, self._keys):
            known.pop(worker, None)
        self._calls = {reference: call for reference, call in self._calls.items() if call.worker != worker}
        if actor := self._actors.pop(worker, None):
            ray.kill(actor)

    stop = kill

    def avoid(self, node: str) -> None:
        """See Backend.avoid."""
        self._avoided.add(node)
        self._next_look = 0.0

    def generate(self, worker: int, work: Work[Any]) -> None:
        """See Backend.generate."""
        self._works.setdefault(worker, []).append(work)

    def finish(self, worker: int, key: int) -> None:
        """See Backend.finish."""
        self._keys.setdefault(worker, []).append(key)

    def events(self) -> Sequence[Event]:
        """See Backend.events."""
        now = time.monotonic()
        self._send()
        if now >= self._next_beat:
            self._next_beat = now + HEARTBEAT_S
            for worker in self._nodes:
                self._call("watch", _Call(worker), "heartbeat")
        events = [*self._answers()]
        if now >= self._next_look:
            self._next_look = now + CLUSTER_S
            events.append(m.Cluster(self.capacity(), draining_nodes(), self._places()))
        return events

    def _send(self) -> None:
        """Send the units that workers got since the last look."""
        for worker, works in self._works.items():
            self._call("generate", _Call(worker), "generate_all", works)
        for worker, keys in self._keys.items():
            for thread in range(min(len(keys), self.finish_threads)):
                self._send_finish(worker, keys[thread :: self.finish_threads])
        self._works, self._keys = {}, {}

    def _send_finish(self, worker: int, keys: Sequence[int]) -> None:
        self._call("finish", _Call(worker, tuple(keys)), "finish_all", keys)

    def _call(self, group: str, call: _Call, method: str, *args: Any) -> None:
        actor_method = getattr(self._actors[call.worker], method).options(concurrency_group=group)
        self._calls[actor_method.remote(*args)] = call

    def _answers(self) -> Iterator[Event]:
        if not self._calls:
            time.sleep(WAIT_S)
            return
        ready, _ = ray.wait(list(self._calls), timeout=WAIT_S)
        if ready and len(self._calls) > FEW_CALLS:
            ready, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        for reference in ready:
            yield from self._answer(self._calls.pop(reference), reference)

    def _answer(self, call: _Call, reference: "ray.ObjectRef[Event | list[Event]]") -> list[Event]:
        worker = call.worker
        try:
            answer = ray.get(reference)
        except RayError as error:
            return [m.Died(worker, self._cause(worker, error), _failure(error))]
        events = answer if isinstance(answer, list) else [answer]
        if isinstance(events[0], m.Placed | m.Started):
            self._nodes[worker] = events[0].node
        if left := call.keys[len(events) :]:
            self._send_finish(worker, left)
        return events

    def _cause(self, worker: int, error: RayError) -> m.Death:
        """Whether the process died, or its node. A worker that cannot be reached counts as lost with its
        node: its process may live on, and a sample that it still commits is found before it is generated
        again."""
        if not isinstance(error, ActorDiedError) or error.preempted or "its node has died" in str(error):
            return "infrastructure"
        alive = {node["NodeID"] for node in nodes()}
        node = self._nodes.get(worker)
        return "crash" if node is None or node in alive else "infrastructure"

    def _fits(self, resources: Mapping[str, float]) -> int:
        fits = resources.get("CPU", 0.0) // cpus_each(self._job)
        return int(min(fits, resources.get("GPU", 0.0) // self._gpus) if self._gpus else fits)

    def _usable_nodes(self) -> list[dict[str, Any]]:
        return [node for node in nodes() if node["NodeID"] not in self._avoided]

    def _places(self) -> frozenset[str] | None:
        """The nodes on which a worker can run; None if an autoscaler may add one."""
        if any(self._fits(kind) for kind in node_kinds()):
            return None
        return frozenset(node["NodeID"] for node in self._usable_nodes() if self._fits(node["Resources"]))

    def _placement(self) -> dict[str, Any]:
        """The options of an actor that must not run on an avoided node."""
        if not self._avoided:
            return {}
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(self._avoided))})"}}

    def _require_room(self) -> None:
        """Refuse a worker that no node can hold, and that no autoscaler can bring a node for.

        Raises:
            JobError: Ray would wait forever for a node of that size.
        """
        if self._places() != frozenset():
            return
        nodes_here = sorted({_resources_of(node["Resources"]) for node in nodes()})
        raise JobError(
            "workers",
            f"{self.needs} for each worker, which no node of this cluster has",
            f"at most the resources of one node: {' or '.join(nodes_here)}",
            "lower workers.gpus or workers.cpus, or add a larger node",
        )

    def _finish_threads(self) -> int:
        """Threads of each worker that finish videos. ``auto``: the CPUs of the node, shared by its
        workers."""
        if self._job.workers.finish != "auto":
            return self._job.workers.finish
        shares = [MAX_FINISH_THREADS]
        for node in self._usable_nodes():
            if fits := self._fits(node["Resources"]):
                wanted = fits if self._job.workers.count == "auto" else min(fits, self._job.workers.count)
                shares.append(int(node["Resources"]["CPU"] // wanted))
        return max(1, min(shares))


def _gpus_of_cluster() -> float:
    """GPUs that the cluster has, or that one more node of its autoscaler would have."""
    present: float = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
    return max([present, *(kind.get("GPU", 0.0) for kind in node_kinds())])


def _resources(cpus: float, gpus: float) -> str:
    parts = [f"{gpus:g} GPU{'' if gpus == 1 else 's'}"] if gpus else []
    return " and ".join([*parts, f"{cpus:g} CPU{'' if cpus == 1 else 's'}"])


def _resources_of(resources: Mapping[str, float]) -> str:
    return _resources(resources.get("CPU", 0.0), resources.get("GPU", 0.0))


def _failure(error: RayError) -> Failure:
    """Of Ray's description of a death the sentence with the reason, without the general advice after it."""
    lines = str(error).strip().splitlines()
    because = [line for line in lines if " because its " in line or " because it " in line]
    reason = because[0] if because else lines[-1]
    pid = re.search(r"^\s*pid: (\d+)$", str(error), re.MULTILINE)
    details = "\n".join([str(error), *(stderr_tail(int(pid[1])) if pid else [])])
    return Failure(CrashError.__name__, reason.partition(" Some common causes include")[0], details)
