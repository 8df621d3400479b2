"""The connection to Ray: a cluster, or a Ray that is started on this machine; its nodes and its logs.

The only file that uses private parts of Ray: what version 2.60 has no public setting for. A test checks that
each of them exists.

A Ray that is started here listens on loopback alone and has no dashboard. On a cluster (``ray.address``),
t2vbatch must be installed on every node; nothing is uploaded. A cluster's token comes from Ray's own
environment variables or file, never from a job.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import node as ray_node
from ray._private import ray_constants
from ray._private import services as ray_services
from ray._private import state as ray_state
from ray._private import utils as ray_utils
from ray._private import worker as ray_worker
from ray.exceptions import AuthenticationError

from t2vbatch.engines.devices import cpus_each, gpus_each, local_gpus
from t2vbatch.errors import JobError, RunError
from t2vbatch.job import Job

_log = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 2**28
"""Enough for input images and videos on their way to workers; frames and results stay in the workers. Ray's
default is a third of the memory, which is more than a container's /dev/shm has."""

_NODE_START_S = 120.0
"""The longest time in which a node of ours may start. A machine without other work needs 2 s."""

_MOST_TMPDIR_BYTES = 36
"""The longest TMPDIR below which Ray's sockets fit: their names add 70 bytes, and Linux allows 107."""

_SYSTEM_CONFIG = {
    # Ray would start a worker ahead for each CPU of the machine, however few the job asks for.
    "prestart_worker_first_driver": False,
    # 0: no events of calls, which a dashboard shows. The driver keeps some of them, 18 MB after 7,500 calls.
    "task_events_report_interval_ms": 0,
    # Added to the niceness of this process. Ray adds 15, with which a worker waits for every other program.
    "worker_niceness": 0,
}
"""Internal settings of a Ray that is started here."""

STDERR_LINES = 40
"""Lines of a dead process's stderr that go into the record: Python's stack at a segmentation fault has 20."""


@contextmanager
def connected(job: Job) -> Iterator[Mapping[str, str]]:
    """Connect to Ray as the job says, for the block; a connection that exists already is used and stays open.

    Only what was started here is stopped again: a Ray on this machine, or the connection to a cluster.

    Returns:
        The environment variables that an actor must set: those of its threads, unless its process inherits
        them from a Ray that is started here. Ray starts Python twice for an actor that sets variables.

    Raises:
        JobError: the cluster cannot be joined, or this machine has fewer GPUs than the job asks for.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(job.workers.cpus))
    if ray.is_initialized():
        yield threads
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _private_settings(own=job.ray.address is None), patient_start():
        if job.ray.address is not None:
            _join(job.ray.address, quiet)
        else:
            with _environment(threads):
                _start(job, quiet)
        try:
            yield {} if job.ray.address is None else threads
        finally:
            ray.shutdown()


def nodes() -> list[dict[str, Any]]:
    """The nodes that are alive and not draining, as Ray describes them."""
    drain = draining_nodes()
    known = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in known if node["Alive"] and node["NodeID"] not in drain]


def draining_nodes() -> frozenset[str]:
    """Ids of the nodes that the cluster is about to remove."""
    return frozenset(ray_state.state.get_draining_nodes())


def node_kinds() -> list[dict[str, float]]:
    """The resources of each kind of node that the cluster's autoscaler may add; empty without one."""
    config = ray_state.state.get_cluster_config()
    return [dict(kind.resources) for kind in config.node_group_configs if kind.max_count] if config else []


def stderr_tail(pid: int) -> list[str]:
    """The last lines that a worker process wrote to stderr; empty if Ray's logs are on another machine."""
    node = ray_worker._global_node
    if node is None:
        return []
    logs = Path(node.get_logs_dir_path()).glob(f"worker-*-{pid}.err")
    return [line for log in logs for line in log.read_text(errors="replace").splitlines()[-STDERR_LINES:]]


@contextmanager
def _private_settings(own: bool) -> Iterator[None]:
    """Settings that Ray has no public switch for, restored afterwards.

    Ray's driver prints messages about workers to stdout, where ``--json`` promises one object. And on Linux
    its servers listen on every interface unless clusters are disabled: see ``_start``. A Ray of our own needs
    no monitor, which serves autoscalers, no log monitor, which sends workers' output to drivers, and no API
    server, which without a dashboard only reports usage: each is a process that imports for a second while
    the workers load, and the start of Ray waits for the API server. Ray's handler of SIGTERM would end the
    command without a line, with an exit code of its own.

    Args:
        own: whether a Ray is started here.
    """
    with (
        _replaced(ray_worker, print_to_stdstream=_log_messages),
        _replaced(ray_constants, ENABLE_RAY_CLUSTER=ray_constants.ENABLE_RAY_CLUSTER and not own),
        _replaced(ray_node.Node, start_monitor=_do_nothing, start_log_monitor=_do_nothing),
        _replaced(ray_node.Node, start_api_server=_do_nothing),
        _replaced(ray_utils, set_sigterm_handler=_do_nothing),
    ):
        yield


@contextmanager
def patient_start() -> Iterator[None]:
    """Give nodes that start in the block two minutes: the 30 s of Ray are too short on a busy machine."""
    with _replaced(ray_services, get_node=_repeated(ray_services.get_node)):
        yield


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that start in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _replaced(owner: object, **values: object) -> Iterator[None]:
    """Give attributes of a module or a class other values for the block."""
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _repeated(get_node: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """Asks for a node until it has reported its start. Raises RuntimeError if that takes too long."""

    def ask(address: str, node_id: str) -> Any:
        until = time.monotonic() + _NODE_START_S
        while True:
            try:
                return get_node(address, node_id)
            except RuntimeError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.1)

    return ask


def _do_nothing(*_: object, **__: object) -> None:
    """In the place of a function that starts a process, or that sets the handler of a signal."""


def _log_messages(data: Mapping[str, Any], **_: object) -> None:
    """In the place of the function that prints messages about workers."""
    _log.info("ray: %s", "".join(data["lines"]))


def _start(job: Job, options: Mapping[str, Any]) -> None:
    """Start a Ray on this machine that listens on loopback only."""
    gpus_each(job, local_gpus())  # Refuses missing GPUs before anything is started.
    try:
        with _processes_end_on_error():
            ray.init(
                address="local",
                num_cpus=_local_cpus(job),
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=ray_folder(os.environ),
                _system_config=_SYSTEM_CONFIG,
                **options,
            )
    except Exception as error:  # Ray raises a bare Exception, for example if a node does not start.
        raise RunError(f"Ray could not be started on this machine: {error}") from error


def ray_folder(environment: Mapping[str, str]) -> str | None:
    """The folder of Ray's sockets and logs: /tmp/ray if TMPDIR is too long; None: Ray's own choice."""
    is_short = len(os.fsencode(environment.get("TMPDIR", ""))) <= _MOST_TMPDIR_BYTES
    return None if is_short or "RAY_TMPDIR" in environment else "/tmp/ray"


@contextmanager
def _processes_end_on_error() -> Iterator[None]:
    """If the block raises, end the processes that it started.

    Ray ends a half-started node when Python exits, but the command exits without that: see ``cli.command``.
    """
    own = psutil.Process()
    before = own.children(recursive=True)
    try:
        yield
    except BaseException:
        for process in own.children(recursive=True):
            if process not in before:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        raise


def _join(address: str, options: Mapping[str, Any]) -> None:
    """Connect to a cluster. The port is tried first, because Ray tries an unreachable address for minutes."""
    host, colon, port = address.rpartition(":")
    reachable = False
    try:
        if colon and "/" not in host:
            socket.create_connection((host, int(port)), timeout=5.0).close()
            reachable = True
        ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError, AuthenticationError) as error:
        raise JobError(
            "ray.address",
            f"{address}: {_reason(error, reachable)}",
            "HOST:PORT of a running cluster's head node, or auto on one of the cluster's machines",
            f"{_TOKEN if reachable else ''}write address: null to run on this machine",
        ) from None


_TOKEN = (
    "if the cluster requires a token, set RAY_AUTH_MODE=token and put the token into RAY_AUTH_TOKEN, "
    "the file that RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token; otherwise "
)


def _reason(error: Exception, reachable: bool) -> str:
    """Why the cluster cannot be joined. The text is ours: Ray reports a rejected token on stderr only."""
    if isinstance(error, AuthenticationError):
        return "RAY_AUTH_MODE is token, but no token was found"
    if not reachable:
        return f"the cluster cannot be reached: {error}"
    sent = "a token" if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" else "no token"
    return f"the cluster answered but rejected this run, which sent {sent}: {error}"


def _local_cpus(job: Job) -> int:
    """CPUs that Ray may use here: all of them, or more if the job asks for more workers than that."""
    requested = cpus_each(job) * (1 if job.workers.count == "auto" else job.workers.count)
    return max(requested, len(os.sched_getaffinity(0)))
