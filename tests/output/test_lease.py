"""The lease: one writer, refused while it lives, taken over when it is dead."""

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from t2vbatch.errors import LeaseHeldError
from t2vbatch.output import lease
from t2vbatch.output.lease import Fenced, Lease
from t2vbatch.output.processes import Process
from t2vbatch.output.store import Store
from t2vbatch.storage.files import Durable, LocalFolder


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
    place: dict[str, object] = {"host": "elsewhere", "machine": "another", "pid": 1, "born": "1"}
    holder = place | {"token": "t", "started_at": "then", "beat": 3} | changes
    folder.write("lease.json", json.dumps(holder).encode())


def _wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def _holder(folder: Path) -> Iterator[SpawnProcess]:
    """A process that holds the lease; it is killed with the block at the latest."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(str(folder), held))
    holder.start()
    try:
        assert held.wait(60)
        yield holder
    finally:
        holder.kill()
        holder.join()


def test_a_lease_is_free_after_its_block(tmp_path: Path) -> None:
    """Whatever ended the block, the next run takes the lease at once."""
    folder = LocalFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), Lease(folder):
        1 / 0  # noqa: B018
    assert Lease(folder).holder() is None
    with Lease(folder) as mine:
        assert mine.held()


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path, quick: None) -> None:
    """The message names process, machine and start."""
    with Lease(LocalFolder(tmp_path)), pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on"):
        Lease(LocalFolder(tmp_path)).__enter__()


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    """A run does not wait for a process that this machine knows to be dead."""
    with _holder(tmp_path) as holder:
        assert Lease(LocalFolder(tmp_path)).holder() is not None
        holder.kill()
        holder.join()
        assert Lease(LocalFolder(tmp_path)).holder() is None
        with Lease(LocalFolder(tmp_path)) as mine:
            assert mine.held()


def test_a_copy_of_an_output_is_taken_over_while_the_original_is_written(tmp_path: Path, quick: None) -> None:
    """The lease in a copy does not change, so it is free after a minute, and the original stays held."""
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with Lease(LocalFolder(tmp_path / "out")) as original:
        shutil.copytree(tmp_path / "out", tmp_path / "copy")
        with Lease(LocalFolder(tmp_path / "copy")) as copy:
            assert (original.held(), copy.held()) == (True, True)
        with pytest.raises(LeaseHeldError):
            Lease(LocalFolder(tmp_path / "link")).__enter__()


def test_a_living_process_keeps_its_lease_however_silent_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not beat keeps its lease, and the error says that it is suspended."""
    monkeypatch.setattr(lease, "_PATIENCE_S", 0.0)
    with _holder(tmp_path) as holder:
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGSTOP)
        with pytest.raises(LeaseHeldError, match=f"suspended: resume it .kill -CONT {holder.pid}"):
            Lease(LocalFolder(tmp_path)).__enter__()
        os.kill(holder.pid, signal.SIGCONT)
        with pytest.raises(LeaseHeldError, match="wait for it, or end it"):
            Lease(LocalFolder(tmp_path)).__enter__()


def test_a_silent_lease_of_another_machine_is_taken_over(
    tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A lease that another machine does not renew for a minute is taken over, with a message meanwhile."""
    folder = LocalFolder(tmp_path)
    _write(folder)
    with Lease(folder) as mine:
        assert mine.held()
    assert "process 1 on elsewhere, since then; waiting 1 s" in caplog.text


def test_a_lease_of_another_machine_that_beats_is_respected(tmp_path: Path, quick: None) -> None:
    """A lease that another machine renews is not taken over."""
    folder = LocalFolder(tmp_path)
    _write(folder)
    beat = threading.Timer(0.3, lambda: _write(folder, beat=4))
    beat.start()
    with pytest.raises(LeaseHeldError, match="process 1 on elsewhere"):
        Lease(folder).__enter__()
    beat.join()


class _Deaf(LocalFolder):
    """Creates the file and answers that it existed, as after a lost answer and a second request."""

    def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
        super().create(name, data, durable)
        return False


def test_a_lease_is_held_though_the_answer_was_lost(tmp_path: Path) -> None:
    """A lease is held if the object store created the file and its answer was lost."""
    with Lease(_Deaf(tmp_path)) as mine:
        assert mine.held()


def test_a_restarted_container_takes_over_its_own_lease(tmp_path: Path) -> None:
    """A lease of the same machine and process id from before a restart is taken over."""
    folder = LocalFolder(tmp_path)
    _write(folder, machine=Process.own().machine, pid=os.getpid(), born="1")
    with Lease(folder) as mine:
        assert mine.held()


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"{}", b"3"])
def test_a_torn_lease_is_taken_over_when_it_does_not_change(tmp_path: Path, torn: bytes, quick: None) -> None:
    """A torn lease names no process, so it is taken over after it has not changed for a minute."""
    folder = LocalFolder(tmp_path)
    folder.write("lease.json", torn)
    with Lease(folder) as mine:
        assert mine.held()


def test_a_lease_that_was_taken_over_is_not_deleted_by_the_first_holder(tmp_path: Path) -> None:
    """A process that was suspended finds that it lost the lease, and does not delete it."""
    folder = LocalFolder(tmp_path)
    with Lease(folder) as mine:
        _write(folder)
        assert not mine.held()
    assert folder.size("lease.json") is not None


def test_who_lost_the_lease_writes_nothing_more(tmp_path: Path) -> None:
    """After the lease is lost, every method that writes raises, and methods that read still work."""
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
            lambda: fenced.delete_all(["a"]),
        ]
        for write in writes:
            with pytest.raises(LeaseHeldError, match="process 1 on elsewhere"):
                write()
        folder.delete("lease.json")
        with pytest.raises(LeaseHeldError, match="is missing"):
            writes[0]()
        assert sorted(fenced.names("")) == ["a"]
        assert fenced.read("a") == b"mine"


def test_an_output_that_is_moved_while_a_run_writes(tmp_path: Path) -> None:
    """The message says that the folder was moved, and not that another run has the lease."""
    folder = LocalFolder(tmp_path / "out")
    with Lease(folder) as lease:
        fenced = Fenced(folder, lease.token)
        fenced.write("a", b"1")
        (tmp_path / "out").rename(tmp_path / "moved")
        with pytest.raises(LeaseHeldError, match="moved or deleted"):
            fenced.write("a", b"2")


def test_a_storage_without_conditional_writes(tmp_path: Path) -> None:
    """A second run is refused there too, and the first one keeps its lease."""

    class Unconditional(LocalFolder):
        def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
            self.write(name, data, durable)
            return True

    folder = Unconditional(tmp_path / "out")
    with Lease(folder) as lease:
        with pytest.raises(LeaseHeldError, match="being written"), Lease(folder):
            pass
        assert lease.held()


def test_a_store_is_fenced_wherever_it_is_sent(tmp_path: Path) -> None:
    """A worker's copy of the store checks the lease of the run."""
    with Store(str(tmp_path)).lease() as store:
        sent = pickle.loads(pickle.dumps(store))
        sent.write_json("a.json", 1)
        _write(LocalFolder(tmp_path))
        with pytest.raises(LeaseHeldError):
            sent.write_json("a.json", 2)
    assert store.read_json("a.json") == 1


def test_reading_a_lease_writes_nothing(tmp_path: Path) -> None:
    """A torn lease, and one with other fields, stay as they are when a command asks for the holder."""
    folder = LocalFolder(tmp_path)
    for content in (b"{", b'{"token": "t", "format": 9}'):
        folder.write("lease.json", content)
        assert Lease(folder).holder() is not None
        assert folder.read("lease.json") == content


def test_unknown_fields_are_kept(tmp_path: Path, quick: None) -> None:
    """A field of a later version survives taking, beating and releasing the lease."""
    folder = LocalFolder(tmp_path)
    _write(folder, released=True, priority="high")
    with Lease(folder):
        _wait_for(lambda: json.loads(folder.read("lease.json"))["beat"] > 0)
        seen = json.loads(folder.read("lease.json"))
        assert (seen["priority"], seen["released"]) == ("high", False)
    assert json.loads(folder.read("lease.json"))["priority"] == "high"


class _Slow(LocalFolder):
    """A folder whose holder stands still between reading the lease and writing it."""

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        _write(LocalFolder(self._root), token="successor")
        return super().replace(name, data, version)


def test_a_suspended_beat_does_not_overwrite_its_successor(tmp_path: Path, quick: None) -> None:
    """The write fails when the lease has changed since it was read."""
    with Lease(_Slow(tmp_path)) as mine:
        _wait_for(lambda: not mine.held())
    assert json.loads(LocalFolder(tmp_path).read("lease.json"))["token"] == "successor"


def test_one_of_many_takes_a_dead_lease_over(tmp_path: Path) -> None:
    """Eight threads find the lease of a dead process, and one of them gets it."""
    _write(LocalFolder(tmp_path), machine=Process.own().machine, pid=os.getpid(), born="1")
    start, done = threading.Barrier(8), threading.Barrier(8)

    def attempt() -> bool:
        start.wait()
        try:
            with Lease(LocalFolder(tmp_path)):
                done.wait(60)
                return True
        except LeaseHeldError:
            done.wait(60)
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(lambda _: attempt(), range(8))) == [False] * 7 + [True]


def test_staging_is_cleaned_when_the_lease_is_taken(tmp_path: Path) -> None:
    """Files of killed workers are deleted by the next run."""
    staging = tmp_path / ".staging"
    staging.mkdir()
    (staging / "half").write_bytes(b"x")
    (staging / "frames").mkdir()
    (staging / "frames" / "1.png").write_bytes(b"x")
    with Store(str(tmp_path)).lease():
        assert {path.name for path in staging.iterdir()} <= {"lock"}
