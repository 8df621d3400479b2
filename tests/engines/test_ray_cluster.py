"""The Ray engine on a cluster that loses nodes, with and without notice."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from t2vbatch.engines import ray as ray_engine
from t2vbatch.engines.ray import RayEngine
from t2vbatch.errors import JobError
from tests.engines.fakes import FakeFactory, FakeLedger, notes
from tests.engines.jobs import Ran, make_job


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head without CPUs; each test adds its nodes, and finds none of another test."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]


def test_lost_node_costs_nothing_but_time(cluster: Any, tmp_path: Path) -> None:
    """When a raylet is killed, its units are generated elsewhere, and no sample is charged."""
    node = cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    gone = _once(
        lambda: len(notes(tmp_path, "generated")) >= 3,
        lambda: cluster.remove_node(node, allow_graceful=False),
    )
    ran = _run(cluster, tmp_path, ["slow:0.5"] * 12, count=2)
    gone.join()
    assert ran.ending == "finished"
    assert ran.ledger.records == set(range(12))
    assert ran.ledger.quarantined == {}
    repeated = len(notes(tmp_path, "generated")) - 12
    assert 0 <= repeated <= 3, "at most what one worker held"
    assert all(progress.failed == 0 for progress in ran.ledger.seen)


def test_draining_node_gets_nothing_new(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a preemption notice a node finishes its units, and another generates the rest; none twice."""
    monkeypatch.setattr(ray_engine, "CLUSTER_S", 0.2)
    node = cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)

    def drain() -> None:
        _drain(cluster, node.node_id)
        (tmp_path / "drained").touch()

    drained = _once(lambda: len(notes(tmp_path, "generated")) >= 3, drain)
    ran = _run(cluster, tmp_path, ["loads:2", "await:drained", "await:drained", *["slow:1"] * 6])
    drained.join()
    assert ran.ledger.records == set(range(9))
    assert sorted(map(int, notes(tmp_path, "generated"))) == list(range(9))
    workers = [progress.workers for progress in ran.ledger.seen if progress.running]
    assert max(workers) == 2
    assert workers[-1] == 1, "the node that stays makes the last units"


def test_gpus_are_taken_where_there_are_any(cluster: Any, tmp_path: Path) -> None:
    """On a cluster with a GPU, each worker takes one, even where the CPUs would allow more workers."""
    cluster.add_node(num_cpus=2, num_gpus=1)
    ran = _run(cluster, tmp_path, ["slow:0.2"] * 4)
    assert ran.ledger.records == {0, 1, 2, 3}
    assert ran.loads == ["fake-1 cuda threads=1"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:1"])
def test_cluster_that_is_not_there(address: str, tmp_path: Path) -> None:
    """An unreachable address is refused, and the message names the key."""
    ledger = FakeLedger(tmp_path, ["ok"])
    with pytest.raises(JobError, match=r"ray\.address"):
        RayEngine().run(ledger.units(), make_job(address), {"fake": FakeFactory(tmp_path)}, ledger.callbacks)


def _run(cluster: Any, folder: Path, prompts: list[str], **workers: Any) -> Ran:
    ledger = FakeLedger(folder, prompts)
    job = make_job(cluster.address, **workers)
    factories = {"fake": FakeFactory(folder)}
    return Ran(folder, ledger, RayEngine().run(ledger.units(), job, factories, ledger.callbacks))


def _drain(cluster: Any, node_id: str) -> None:
    """Drain a node as a preemption notice does; Ray's command for it is not documented."""
    command = f"drain-node --address {cluster.address} --node-id {node_id} --reason-message test"
    reason = "--reason DRAIN_NODE_REASON_PREEMPTION --deadline-remaining-seconds 60"
    cli = str(Path(sys.executable).parent / "ray")
    subprocess.run([cli, *command.split(), *reason.split()], check=True, capture_output=True)


def _once(happened: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Act as soon as the condition holds."""

    def wait_and_act() -> None:
        until = time.monotonic() + 120
        while not happened():
            assert time.monotonic() < until
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    return thread
