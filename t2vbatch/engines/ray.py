"""Ray actors as workers: the only file that imports Ray.

Ray places actors, starts their processes, notices their death and adds nodes. It retries nothing: what to
do about a unit is decided in t2vbatch.schedule. Only Work and events cross between processes.

A Ray that is started here listens on loopback alone and has no dashboard. On a cluster (``ray.address``),
t2vbatch has to be installed on every node; nothing is uploaded from here. A cluster's token comes by Ray's
own environment or file, never by a job.
"""

import logging
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._private import state as ray_state
from ray._private import worker as ray_worker
from ray.exceptions import ActorDiedError, AuthenticationError, RayError

from t2vbatch.engines.devices import gpus_each, local_gpus
from t2vbatch.engines.interrupts import interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.engines.protocol import Ending, RunCallbacks
from t2vbatch.engines.worker_process import WorkerProcess
from t2vbatch.errors import JobError, RunError
from t2vbatch.job import Job
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, Limits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Factory, Failure, Work

_log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
SILENCE_S = 120.0
"""A process answers heartbeats in milliseconds while it generates. Two minutes without one is a stopped
process, or native code that holds Python's lock for good, rather than a machine under load."""

WAIT_S = 0.1
"""Longest wait for an answer. Python sees signals between two waits, and two that came within one as one; a
second Ctrl-C should count."""

CLUSTER_S = 5.0
"""How often nodes are looked at: often enough for a drain notice of 30 s, at one call to Ray each."""


OBJECT_STORE_BYTES = 2**28
"""Enough for input images and videos on their way to workers; frames and results never come here. Ray would
take a third of the memory, and more than a container's /dev/shm has."""

LAST_WORDS = 40
"""Lines of a dead process's stderr that go into the record: Python's stack at a segmentation fault is 20."""


class RayEngine:
    """Workers in processes of their own, here or on a cluster."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory],
        ledger: RunCallbacks,
    ) -> Ending:
        """See Engine.run."""
        try:
            with connected(job), ActorPool(job, factories) as backend, interrupts() as counted:
                limits = Limits(
                    workers=backend.capacity(),
                    minimum=job.workers.min,
                    maximum=job.workers.max,
                    timeout_s=job.workers.timeout_s,
                    silence_s=SILENCE_S,
                )
                return run_loop(Scheduler(units, limits), backend, ledger, counted)
        except RayError as error:
            raise RunError(f"Ray failed: {error}") from error


@contextmanager
def connected(job: Job) -> Iterator[None]:
    """Ray, as the job asks for it, within the block: one that is connected already is used and left alone.

    Only what was started here is stopped again: a Ray on this machine, or the connection to a cluster.

    Raises:
        JobError: the cluster cannot be joined, or the GPUs that are asked for are not there.
    """
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _private():
        if job.ray.address is not None:
            _join(job.ray.address, quiet)
        else:
            _start(job, quiet)
        try:
            yield
        finally:
            ray.shutdown()


def _start(job: Job, options: Mapping[str, Any]) -> None:
    """Start a Ray on this machine that nobody else can reach."""
    gpus_each(job, local_gpus())  # Refuses what is not there before anything is started.
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local",
            num_cpus=_local_cpus(job),
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            **options,
        )
    except Exception as error:  # Ray raises this class itself, for one where a slow machine took over 30 s.
        raise RunError(f"Ray could not be started on this machine: {error}") from error


def _join(address: str, options: Mapping[str, Any]) -> None:
    """Connect to a cluster. Ray itself tries for many minutes to reach one that is not there."""
    process, colon, port = address.rpartition(":")
    answers = False
    try:
        if colon and "/" not in process:
            socket.create_connection((process, int(port)), timeout=5.0).close()
            answers = True
        ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError, AuthenticationError) as error:
        raise JobError(
            "ray.address",
            f"{address}, which {_refusal(error, answers)}",
            "HOST:PORT of a running cluster's head, or auto on one of its machines",
            f"{_TOKEN if answers else ''}write address: null to run on this machine",
        ) from None


_TOKEN = (
    "where the cluster wants a token, set RAY_AUTH_MODE=token and have its token in RAY_AUTH_TOKEN, in the "
    "file that RAY_AUTH_TOKEN_PATH names, or in ~/.ray/auth_token; else "
)


def _refusal(error: Exception, answers: bool) -> str:
    """Why a cluster cannot be joined. Of a token that it does not take, Ray says so on stderr alone."""
    if isinstance(error, AuthenticationError):
        return "cannot be joined: RAY_AUTH_MODE is token, and no token is here"
    if not answers:
        return f"cannot be joined: {error}"
    own = "the token that is here" if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" else "no token"
    return f"answers, and does not let this run in, which comes with {own}: {error}"


@contextmanager
def _private() -> Iterator[None]:
    """What Ray 2.60 has no setting for, put back afterwards.

    Its driver prints what happens to workers on stdout, where ``--json`` promises one object. And on Linux
    its servers listen on every interface unless told that clusters are not to be had.
    """
    before = ray_worker.print_to_stdstream, ray_constants.ENABLE_RAY_CLUSTER
    ray_worker.print_to_stdstream = lambda data, **_: _log.info("ray: %s", "".join(data["lines"]))
    try:
        yield
    finally:
        ray_worker.print_to_stdstream, ray_constants.ENABLE_RAY_CLUSTER = before


def _local_cpus(job: Job) -> int:
    """CPUs to tell Ray of: what there is, or more where the job asks for more workers than that."""
    asked = job.workers.cpus * (1 if job.workers.count == "auto" else job.workers.count)
    return max(asked, len(os.sched_getaffinity(0)))


class _Actor(WorkerProcess):
    def node(self) -> str:
        return str(ray.get_runtime_context().get_node_id())


def _options(job: Job, gpus: float) -> dict[str, Any]:
    # Set before the process starts, because torch's own setting holds for one thread and a worker has two.
    threads = str(job.workers.cpus)
    return {
        "num_cpus": job.workers.cpus,
        "num_gpus": gpus,
        "max_restarts": 0,
        "max_task_retries": 0,
        "concurrency_groups": {"generate": 1, "finish": 1, "watch": 1},
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}},
    }


class ActorPool:
    """Starts, feeds and ends actors. Every call in flight is a reference that answers with an event."""

    def __init__(self, job: Job, factories: Mapping[str, Factory]) -> None:
        self._job, self._factories = job, factories
        self._gpus = gpus_each(job, ray.cluster_resources().get("GPU", 0.0))  # type: ignore[no-untyped-call]
        self._class = ray.remote(**_options(job, self._gpus))(_Actor)
        self._actors: dict[int, Any] = {}
        self._nodes: dict[int, str] = {}
        self._calls: dict[ray.ObjectRef[Event], int] = {}
        self._beat_at = self._look_at = 0.0

    def __enter__(self) -> "ActorPool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._actors):
            self.kill(worker)

    def capacity(self) -> int:
        """Workers that the job asks for, or that fit on the nodes there are; at least one, so that an
        autoscaler sees that something is wanted."""
        if self._job.workers.count != "auto":
            return self._job.workers.count
        return max(1, sum(self._fits(node["Resources"]) for node in _nodes()))

    def start(self, action: m.Start) -> None:
        """See Backend.start."""
        worker, name = action.worker, f"{action.model}-{action.worker}"
        self._actors[worker] = self._class.remote(worker, self._job.workers.timeout_s)
        device = "cuda" if self._gpus else "cpu"
        self._call("generate", worker, "load", self._factories[action.model], name, device, action.memory)

    def kill(self, worker: int) -> None:
        """See Backend.kill. Nothing of what the worker still says is listened to."""
        self._nodes.pop(worker, None)
        self._calls = {call: other for call, other in self._calls.items() if other != worker}
        if actor := self._actors.pop(worker, None):
            ray.kill(actor)

    stop = kill

    def generate(self, worker: int, work: Work) -> None:
        """See Backend.generate."""
        self._call("generate", worker, "generate", work)

    def finish(self, worker: int, key: int) -> None:
        """See Backend.finish."""
        self._call("finish", worker, "finish", key)

    def events(self) -> Sequence[Event]:
        """See Backend.events."""
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_S
            for worker in self._nodes:
                self._call("watch", worker, "heartbeat")
        seen = [*self._answers()]
        if now >= self._look_at:
            self._look_at = now + CLUSTER_S
            seen.append(m.Cluster(self.capacity(), _draining()))
        return seen

    def _call(self, group: str, worker: int, method: str, *args: Any) -> None:
        call = getattr(self._actors[worker], method).options(concurrency_group=group)
        self._calls[call.remote(*args)] = worker

    def _answers(self) -> Iterator[Event]:
        if not self._calls:
            time.sleep(WAIT_S)
            return
        ray.wait(list(self._calls), timeout=WAIT_S)
        ready, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        for call in ready:
            yield self._answer(self._calls.pop(call), call)

    def _answer(self, worker: int, call: "ray.ObjectRef[Event]") -> Event:
        try:
            event = ray.get(call)
        except RayError as error:
            return m.Died(worker, self._cause(worker, error), _failure(error))
        if isinstance(event, m.Started):
            self._nodes[worker] = event.node
        return event

    def _cause(self, worker: int, error: RayError) -> m.Death:
        """Whose death it is. A worker that cannot be reached counts as lost with its node: whether its
        process lives nobody knows, and what it may still commit is found before it is made again."""
        if not isinstance(error, ActorDiedError) or error.preempted or "its node has died" in str(error):
            return "infrastructure"
        alive = {node["NodeID"] for node in _nodes()}
        node = self._nodes.get(worker)
        return "crash" if node is None or node in alive else "infrastructure"

    def _fits(self, resources: Mapping[str, float]) -> int:
        fits = resources.get("CPU", 0.0) // self._job.workers.cpus
        return int(min(fits, resources.get("GPU", 0.0) // self._gpus) if self._gpus else fits)


def _nodes() -> list[dict[str, Any]]:
    """The nodes that are alive and stay."""
    draining = _draining()
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"] and node["NodeID"] not in draining]


def _draining() -> frozenset[str]:
    return frozenset(ray_state.state.get_draining_nodes())


def _failure(error: RayError) -> Failure:
    """Of Ray's account of a death, the sentence with the reason; the general advice after it is left out."""
    lines = str(error).strip().splitlines()
    because = [line for line in lines if " because its " in line or " because it " in line]
    reason = because[0] if because else lines[-1]
    account = "\n".join([str(error), *_last_words(str(error))])
    return Failure("CrashError", reason.partition(" Some common causes include")[0], account)


def _last_words(account: str) -> list[str]:
    """What the dead process wrote to stderr last, where Ray's logs are on this machine."""
    pid = re.search(r"^\s*pid: (\d+)$", account, re.MULTILINE)
    node = ray_worker._global_node
    if not pid or not node:
        return []
    logs = Path(node.get_logs_dir_path()).glob(f"worker-*-{pid[1]}.err")
    return [line for log in logs for line in log.read_text(errors="replace").splitlines()[-LAST_WORDS:]]
