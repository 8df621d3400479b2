"""Processes: each differs from every other, also from a later one with its id."""

import os
import subprocess
from dataclasses import replace

from t2vbatch.output.processes import Process, _born


def test_this_process_lives() -> None:
    """This process is alive, and equal to itself each time."""
    assert Process.own() == Process.own()
    assert Process.own().state() == "alive"


def test_a_later_process_with_the_same_id_is_another() -> None:
    """A process with the same id and another start time is another process."""
    assert replace(Process.own(), born="1").state() == "dead"


def test_of_another_machine_nothing_is_known() -> None:
    """The state of a process on another machine is unknown."""
    assert replace(Process.own(), machine="another").state() == "elsewhere"


def test_what_has_ended_is_dead_before_its_parent_has_looked() -> None:
    """A zombie counts as dead."""
    process = subprocess.Popen(["sleep", "60"])
    born = _born(process.pid)
    assert Process(Process.own().machine, process.pid, born).state() == "alive"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Process(Process.own().machine, process.pid, born).state() == "dead"
    process.wait()
    assert Process(Process.own().machine, process.pid, born).state() == "dead"
