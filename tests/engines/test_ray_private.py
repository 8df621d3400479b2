"""The private parts of Ray that t2vbatch uses: one test for each, so that a missing part is named."""

import ast
import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from packaging.requirements import Requirement
from packaging.version import Version
from ray._private import services as ray_services

from t2vbatch.engines import ray_cluster
from t2vbatch.engines.ray_cluster import ray_folder
from tests.engines.jobs import make_job


def _private_parts() -> Iterator[str]:
    """``module:attribute.attribute`` of every expression that starts at a private module of Ray.

    An attribute that is replaced is a keyword: ``_replaced(ray_worker, print_to_stdstream=...)``.
    """
    tree = ast.parse(Path(ray_cluster.__file__).read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ray._")
        for alias in node.names
    }
    parts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_replaced":
            parts += [f"{ast.unparse(node.args[0])}.{keyword.arg}" for keyword in node.keywords]
    for part in parts:
        name, _, path = part.partition(".")
        if name in modules and path.replace(".", "").isidentifier():
            yield f"{modules[name]}:{path}"


@pytest.mark.parametrize("part", sorted(set(_private_parts())))
def test_a_private_part_of_ray_exists(part: str) -> None:
    """The installed Ray still has the attribute that ``engines/ray_cluster.py`` reads or sets."""
    module, _, path = part.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        assert hasattr(found, name), f"Ray {ray.__version__} has no {module}.{path}"
        found = getattr(found, name)


def test_the_list_is_not_empty() -> None:
    """The search finds the replaced settings, the draining nodes and the log folder's node."""
    names = {part.rpartition(":")[2] for part in _private_parts()}
    assert {
        "print_to_stdstream",
        "ENABLE_RAY_CLUSTER",
        "Node.start_api_server",
        "set_sigterm_handler",
        "get_node",
        "state.get_draining_nodes",
        "_global_node",
    } <= names


def test_the_node_knows_its_log_folder() -> None:
    """``ray_worker._global_node`` is a Node of Ray with ``get_logs_dir_path``."""
    node = importlib.import_module("ray._private.node").Node
    assert hasattr(node, "get_logs_dir_path"), f"Ray {ray.__version__}: Node has no get_logs_dir_path"


def test_a_node_that_starts_late_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has not reported its start yet is asked for again, until the time for that is over."""
    asked: list[str] = []

    def get_node(address: str, node_id: str) -> str:
        asked.append(node_id)
        if len(asked) != 3:
            raise RuntimeError("no node")
        return "alive"

    monkeypatch.setattr(ray_services, "get_node", get_node)
    with ray_cluster.patient_start():
        assert vars(ray_services)["get_node"]("address", "node") == "alive"
        monkeypatch.setattr(ray_cluster, "_NODE_START_S", -1.0)
        with pytest.raises(RuntimeError, match="no node"):
            vars(ray_services)["get_node"]("address", "node")
    assert asked == ["node"] * 4
    assert vars(ray_services)["get_node"] is get_node


def test_an_interrupted_start_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while Ray starts ends the processes that it has started, and no other."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    started: list[subprocess.Popen[bytes]] = []

    def init(**_: object) -> None:
        started.append(subprocess.Popen(sleep))
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    other = subprocess.Popen(sleep)
    try:
        with pytest.raises(KeyboardInterrupt), ray_cluster.connected(make_job()):
            pass
        assert started[0].wait(60) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (*started, other):
            process.kill()
            process.wait()


def test_the_installed_ray_is_one_that_the_project_allows() -> None:
    """``pyproject.toml`` allows the one minor version whose private parts were checked."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    [line] = [line.strip(' ",') for line in text.splitlines() if line.strip().startswith('"ray')]
    requirement = Requirement(line)
    assert requirement.specifier.contains(Version(ray.__version__))
    assert {clause.operator for clause in requirement.specifier} == {">=", "<"}


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, None),
        ({"TMPDIR": "/scratch/jobs/1234567"}, None),
        ({"TMPDIR": "/scratch/" + "x" * 40}, "/tmp/ray"),
        ({"TMPDIR": "/scratch/" + "x" * 40, "RAY_TMPDIR": "/r"}, None),
    ],
)
def test_a_long_tmpdir_is_not_used_for_sockets(environment: dict[str, str], folder: str | None) -> None:
    """Ray cannot start below a long path, because the names of its sockets have at most 107 bytes."""
    assert ray_folder(environment) == folder
