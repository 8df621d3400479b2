"""A driver with a Ray of its own: what it opens and prints, how it is interrupted, what it leaves behind."""

import signal
import time
from pathlib import Path

import psutil

from tests.engines.fakes import notes
from tests.engines.jobs import driver, wait_for


def test_own_ray_is_quiet_local_and_leaves_nothing(tmp_path: Path) -> None:
    """A Ray started here listens on loopback only, prints nothing though workers die, and goes at the end."""
    with driver("ray", "RayEngine", tmp_path, ["exit", "slow:1", "ok"]) as process:
        wait_for(tmp_path / "generated")
        family = psutil.Process(process.pid).children(recursive=True)
        open_to = {address for member in [psutil.Process(process.pid), *family] for address in _open(member)}
        output, errors = process.communicate(timeout=120)
    assert output == "finished [1, 2]\n"
    assert "raylet" not in errors
    assert "Some common causes" not in errors, "Ray's own messages stay in its logs"
    assert open_to == {"127.0.0.1"}
    assert len(family) >= 3, "Ray did run"
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_first_interrupt_finishes_what_runs(tmp_path: Path) -> None:
    """One SIGTERM lets the units in the actors be finished and leaves the rest pending."""
    with driver("ray", "RayEngine", tmp_path, ["slow:2", "ok", "ok", "ok"]) as process:
        wait_for(tmp_path / "generated")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=120)[0] == "interrupted [0]\n"


def test_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    """A second Ctrl-C ends the actors with what is in them."""
    with driver("ray", "RayEngine", tmp_path, ["hang", "ok"]) as process:
        wait_for(tmp_path / "generated")
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120)[0] == "interrupted []\n"
    assert not _alive(tmp_path)


def test_killed_driver_takes_its_workers_along(tmp_path: Path) -> None:
    """When the driver is killed (SIGKILL), its actors end too, and what they committed stays."""
    with driver("ray", "RayEngine", tmp_path, ["ok", "hang"]) as process:
        wait_for(tmp_path / "record-0")
        assert _alive(tmp_path)
        process.kill()
        process.communicate(timeout=120)
    until = time.monotonic() + 10
    while _alive(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (tmp_path / "record-0").exists()


def _alive(folder: Path) -> list[int]:
    """Workers that still run."""
    return [int(pid) for pid in notes(folder, "pids") if psutil.pid_exists(int(pid))]


def _open(process: psutil.Process) -> set[str]:
    """Addresses on which a process listens."""
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return set()
    return {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}
