"""Processes: each differs from every other, also from a later one with its id."""

import os
import subprocess
from dataclasses import replace

import psutil
import pytest

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


@pytest.mark.parametrize("error", [psutil.NoSuchProcess(1), psutil.AccessDenied(1)])
def test_a_hidden_process_of_another_user_is_not_dead(
    error: psutil.Error, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is unknown, whether /proc hides its folder (hidepid=2) or the files in it (hidepid=1)."""

    def hidden(*_: object) -> None:
        raise error

    def of_another_user(*_: object) -> None:
        raise PermissionError

    own = Process.own()
    monkeypatch.setattr(psutil, "Process", hidden)
    monkeypatch.setattr(os, "kill", of_another_user)
    assert own.state() == "elsewhere"


@pytest.mark.parametrize("pid", [10**30, -5])
def test_an_impossible_id_is_of_no_process(pid: int) -> None:
    """A damaged lease may name a number that no process can have."""
    assert replace(Process.own(), pid=pid).state() == "dead"
