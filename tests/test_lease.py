"""The lease: one writer, refused while it lives, taken over when it is dead."""

import json
import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from t2vbatch import lease
from t2vbatch.errors import LeaseHeldError
from t2vbatch.files import LocalFolder
from t2vbatch.lease import Fenced, Lease
from t2vbatch.store import Store


def _hold(root: str, held: Event) -> None:
    with Lease(LocalFolder(Path(root))):
        held.set()
        signal.pause()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A faster heart, so that waiting for beats takes no time."""
    monkeypatch.setattr(lease, "_BEAT_S", 0.2)
    monkeypatch.setattr(lease, "_PATIENCE_S", 1.0)


def _write(folder: LocalFolder, **changes: object) -> None:
    holder = {"token": "t", "host": "elsewhere", "pid": 1, "started_at": "then", "beat": 3} | changes
    folder.write("lease.json", json.dumps(holder).encode())


def test_a_lease_is_gone_after_its_block(tmp_path: Path) -> None:
    """Whatever ended the block."""
    folder = LocalFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), Lease(folder):
        1 / 0  # noqa: B018
    assert folder.size("lease.json") is None


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path, quick: None) -> None:
    """The message names process, machine and start."""
    with Lease(LocalFolder(tmp_path)), pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on"):
        Lease(LocalFolder(tmp_path)).__enter__()


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    """Nobody waits for a process that this machine knows to be dead."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), held))
    holder.start()
    assert held.wait(60)
    assert Lease(LocalFolder(tmp_path)).holder() is not None
    holder.kill()
    holder.join()
    assert Lease(LocalFolder(tmp_path)).holder() is None
    with Lease(LocalFolder(tmp_path)) as mine:
        assert mine.held()


def test_a_silent_lease_of_another_machine_is_taken_over(tmp_path: Path, quick: None) -> None:
    """Its beat stands still for as long as three beats take."""
    folder = LocalFolder(tmp_path)
    _write(folder)
    with Lease(folder) as mine:
        assert mine.held()


def test_a_restarted_container_takes_over_its_own_lease(tmp_path: Path) -> None:
    """The same host name and process id, and yet another life."""
    folder = LocalFolder(tmp_path)
    _write(folder, host=socket.gethostname(), pid=os.getpid())
    with Lease(folder) as mine:
        assert mine.held()


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"{}", b"3"])
def test_a_torn_lease_holds_nothing(tmp_path: Path, torn: bytes) -> None:
    """It names nobody who could be waited for."""
    folder = LocalFolder(tmp_path)
    folder.write("lease.json", torn)
    with Lease(folder) as mine:
        assert mine.held()


def test_a_lease_that_was_taken_over_is_not_deleted_by_the_first_holder(tmp_path: Path) -> None:
    """A process that was suspended for long finds that it has lost the output, and leaves it alone."""
    folder = LocalFolder(tmp_path)
    with Lease(folder) as mine:
        _write(folder)
        assert not mine.held()
    assert folder.size("lease.json") is not None


def test_who_lost_the_lease_writes_nothing_more(tmp_path: Path) -> None:
    """Not in any way, and not after the new holder is done; reading goes on."""
    folder = LocalFolder(tmp_path / "out")
    (tmp_path / "video").write_bytes(b"late")
    with Lease(folder) as mine:
        fenced = Fenced(folder, mine.token)
        fenced.write("a", b"mine")
        _write(folder)
        writes: list[Callable[[], object]] = [
            lambda: fenced.write("a", b"late"),
            lambda: fenced.create("b", b"late"),
            lambda: fenced.publish("c", tmp_path / "video"),
            lambda: fenced.delete("a"),
        ]
        for write in writes:
            with pytest.raises(LeaseHeldError, match="process 1 on elsewhere"):
                write()
        folder.delete("lease.json")
        with pytest.raises(LeaseHeldError, match="nobody's"):
            writes[0]()
        assert sorted(fenced.names("")) == ["a"]
        assert fenced.read("a") == b"mine"


def test_a_store_is_fenced_wherever_it_is_sent(tmp_path: Path) -> None:
    """A worker's copy of the store asks for the same lease as the run's."""
    with Store(str(tmp_path)).lease() as store:
        sent = pickle.loads(pickle.dumps(store))
        sent.write_json("a.json", 1)
        _write(LocalFolder(tmp_path))
        with pytest.raises(LeaseHeldError):
            sent.write_json("a.json", 2)
    assert store.read_json("a.json") == 1
