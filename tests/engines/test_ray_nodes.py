"""The Ray engine on nodes that are too small, or cannot work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from t2vbatch.engines.ray import RayEngine
from t2vbatch.errors import JobError, RunError
from tests.engines.fakes import FakeFactory, FakeLedger, notes
from tests.engines.jobs import make_job


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]


def _run(cluster: Any, ledger: FakeLedger, **workers: Any) -> None:
    factories = {"fake": FakeFactory(ledger.folder)}
    RayEngine().run(ledger.units(), make_job(cluster.address, **workers), factories, ledger.callbacks)


def test_a_worker_that_no_node_can_hold_is_refused(cluster: Any, tmp_path: Path) -> None:
    """Two nodes of one CPU hold no worker of two CPUs; the message names both numbers."""
    with pytest.raises(JobError, match="workers") as caught:
        _run(cluster, FakeLedger(tmp_path, ["ok"]), cpus=2)
    assert "2 CPUs for each worker" in caught.value.found
    assert "1 CPU" in caught.value.expected


def test_a_node_with_a_full_disk_is_left_out(cluster: Any, tmp_path: Path) -> None:
    """Its unit goes to the other node uncharged, and no worker starts on it again."""
    ledger = FakeLedger(tmp_path, ["broken-node"] * 8)
    _run(cluster, ledger)
    assert ledger.records == set(range(8))
    assert ledger.quarantined == {}
    assert all(progress.failed == 0 for progress in ledger.seen)
    assert len(notes(tmp_path, "loads")) == 2


def test_the_run_ends_where_no_node_is_left(cluster: Any, tmp_path: Path) -> None:
    """The message names every node with its reason, and no sample is quarantined."""
    ledger = FakeLedger(tmp_path, ["full-disk"] * 4)
    with pytest.raises(RunError, match="no node is left that can run a worker") as caught:
        _run(cluster, ledger)
    assert str(caught.value).count("the disk is full") == 2
    assert ledger.quarantined == {}
