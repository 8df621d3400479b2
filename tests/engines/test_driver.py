"""A driver in a process of its own, with both engines: how it reacts to signals, and what it leaves
behind."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from tests.engines.fakes import notes
from tests.engines.jobs import driver, wait_for

_ENGINES = [("inline", "InlineEngine"), ("ray", "RayEngine")]


@contextmanager
def _generating(engine: tuple[str, str], folder: Path, prompts: list[str]) -> Iterator[Popen[str]]:
    """A driver that has begun to generate its first unit."""
    with driver(*engine, folder, prompts) as process:
        wait_for(folder / "generated")
        yield process


@pytest.mark.parametrize("engine", _ENGINES, ids=lambda engine: engine[0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_interrupt_finishes_the_units_in_progress(
    tmp_path: Path, engine: tuple[str, str], number: signal.Signals
) -> None:
    """One Ctrl-C or SIGTERM finishes the unit in progress and leaves the rest pending."""
    with _generating(engine, tmp_path, ["await:interrupted", "ok", "ok"]) as process:
        process.send_signal(number)
        assert process.communicate(timeout=120)[0] == "interrupted [0]\n"


@pytest.mark.parametrize("engine", _ENGINES, ids=lambda engine: engine[0])
def test_second_interrupt_stops_at_once(tmp_path: Path, engine: tuple[str, str]) -> None:
    """A second Ctrl-C also ends the unit in progress; no worker process stays."""
    with _generating(engine, tmp_path, ["hang", "ok"]) as process:
        process.send_signal(signal.SIGINT)
        wait_for(tmp_path / "interrupted")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120)[0] == "interrupted []\n"
    assert not _alive(tmp_path)


def test_own_ray_is_quiet_and_local_and_ends_with_the_driver(tmp_path: Path) -> None:
    """A Ray started here listens on loopback only, prints nothing though workers die, and ends with the
    run."""
    with _generating(_ENGINES[1], tmp_path, ["exit", "slow:1", "ok"]) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        addresses = {
            address for member in [psutil.Process(process.pid), *family] for address in _listening(member)
        }
        output, errors = process.communicate(timeout=120)
    assert output == "finished [1, 2]\n"
    assert "raylet" not in errors
    assert "Some common causes" not in errors, "Ray's own messages stay in its logs"
    assert addresses == {"127.0.0.1"}
    assert len(family) >= 3, "Ray did run"
    _, alive = psutil.wait_procs(family, timeout=120)
    assert not alive


def test_killed_driver_ends_its_actors(tmp_path: Path) -> None:
    """When the driver is killed (SIGKILL), its actors end too, and what they committed stays."""
    with driver("ray", "RayEngine", tmp_path, ["ok", "hang"]) as process:
        wait_for(tmp_path / "record-0")
        assert _alive(tmp_path)
        process.kill()
        process.communicate(timeout=120)
    until = time.monotonic() + 120
    while _alive(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (tmp_path / "record-0").exists()


def _alive(folder: Path) -> list[int]:
    """Worker processes that still run."""
    return [int(pid) for pid in notes(folder, "pids") if psutil.pid_exists(int(pid))]


def _listening(process: psutil.Process) -> set[str]:
    """Addresses on which a process listens."""
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return set()
    return {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}
