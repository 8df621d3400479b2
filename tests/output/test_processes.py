"""Processes: each differs from every other, also from a later one with its id."""

import os
import subprocess
from dataclasses import replace

from t2vbatch.output.processes import Process, _born


def test_this_process_lives() -> None:
    """And is the same whenever it is asked."""
    assert Process.own() == Process.own()
    assert Process.own().state() == "alive"


def test_a_later_process_with_the_same_id_is_another() -> None:
    """Ids come again; what began at another moment is dead."""
    assert replace(Process.own(), born="1").state() == "dead"


def test_of_another_machine_nothing_is_known() -> None:
    """Its ids mean nothing here."""
    assert replace(Process.own(), machine="another").state() == "elsewhere"


def test_what_has_ended_is_dead_before_its_parent_has_looked() -> None:
    """A zombie has an id, and does nothing any more."""
    process = subprocess.Popen(["sleep", "60"])
    born = _born(process.pid)
    assert Process(Process.own().machine, process.pid, born).state() == "alive"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Process(Process.own().machine, process.pid, born).state() == "dead"
    process.wait()
    assert Process(Process.own().machine, process.pid, born).state() == "dead"
