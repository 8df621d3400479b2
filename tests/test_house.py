"""The shape of the code: which room may import which, what stays pure, and who imports Ray."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent / "t2vbatch"

_RULES = """
errors
canonical     errors
storage       errors
job           errors storage
media         errors storage job
manifest      errors canonical storage job media
models        errors canonical job manifest media
metrics       errors canonical job media models
plan          errors canonical job manifest media models
output        errors storage job media plan
worker        errors storage.many job manifest media models metrics plan output
schedule      errors plan output.records worker.protocol
engines       errors storage.scratch job plan output.records worker.protocol schedule models.steps
analysis      errors canonical storage job media metrics models plan output worker.protocol engines
report        errors storage media metrics output analysis
exchange      errors canonical job storage manifest media output analysis
commands      *
cli           *
"""
"""Each room, and what it may import: a whole room, or one module of it. ``*``: every room above the line."""

_PURE = [
    "analysis.intervals",
    "analysis.compare",
    "analysis.summary",
    "canonical",
    "commands.kept_batches",
    "commands.prepare",
    "commands.run",
    "job",
    "manifest",
    "media.degenerate",
    "media.colours",
    "media.reading",
    "media.truncation",
    "models.calls.check",
    "models.catalog",
    "models.checkpoints.memory_check",
    "models.facts",
    "models.protocol",
    "output.records",
    "output.store",
    "output.tables",
    "plan",
    "schedule",
    "worker.factory",
    "worker.protocol",
]
"""What a machine without torch and Ray can import: planning, scheduling, records and statistics."""


def _rooms() -> dict[str, list[str]]:
    rooms: dict[str, list[str]] = {}
    for line in _RULES.split("\n"):
        if line:
            room, *allowed = line.split()
            rooms[room] = list(rooms) if allowed == ["*"] else allowed
    return rooms


_ROOMS = _rooms()


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


_FILES = [file for file in sorted(_ROOT.rglob("*.py")) if file.name != "__main__.py" and file.parent != _ROOT]
_FILES += [file for file in sorted(_ROOT.glob("*.py")) if file.stem not in {"__init__", "__main__"}]


def test_rooms_are_listed_from_the_ground_up() -> None:
    """A room imports only from rooms above its own line, so there is no circle."""
    names = list(_ROOMS)
    for index, (room, allowed) in enumerate(_ROOMS.items()):
        later = {other.partition(".")[0] for other in allowed} - set(names[:index])
        assert later == set(), f"{room} may import {later}, which the table lists after it"


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_ROOT)))
def test_a_module_imports_only_what_its_room_may(file: Path) -> None:
    """No module imports a room that the table does not allow, not even inside a function."""
    own = file.relative_to(_ROOT).parts[0].removesuffix(".py")
    assert own in _ROOMS, f"{own} is not in the table: say what it may import"
    allowed = (own, *_ROOMS[own])
    for module in _imports(file):
        package, _, other = module.partition(".")
        if package == "t2vbatch" and other:
            fine = any(other == name or other.startswith(f"{name}.") for name in allowed)
            assert fine, f"{own} imports {other}; the table allows it {', '.join(allowed)}"


def test_the_package_has_few_names() -> None:
    """The package has exactly the rooms of the table."""
    names = {path.name for path in _ROOT.iterdir()} - {
        "__init__.py",
        "__main__.py",
        "__pycache__",
        "py.typed",
    }
    assert names == {f"{room}.py" if (_ROOT / f"{room}.py").exists() else room for room in _ROOMS}
    assert len(names) <= 20


def test_ray_is_imported_in_its_own_files() -> None:
    """Only the files of the Ray engine import Ray."""
    users = {
        str(file.relative_to(_ROOT))
        for file in _ROOT.rglob("*.py")
        if any(module.split(".")[0] == "ray" for module in _imports(file))
    }
    assert users == {"engines/ray.py", "engines/ray_cluster.py"}


def test_private_parts_of_ray_are_used_in_one_file() -> None:
    """Only one file uses private parts of Ray."""
    users = {
        str(file.relative_to(_ROOT))
        for file in _ROOT.rglob("*.py")
        if any(module.startswith("ray._") for module in _imports(file))
    }
    assert users == {"engines/ray_cluster.py"}


@pytest.mark.parametrize("name", _PURE)
def test_a_pure_module_loads_neither_torch_nor_ray(name: str) -> None:
    """A fresh process that imports the module has imported neither torch nor Ray."""
    code = f"import sys, t2vbatch.{name}; print(*(sys.modules.keys() & {{'torch', 'ray', 'diffusers'}}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


@pytest.mark.parametrize("room", ["manifest", "plan", "schedule", "engines", "worker", "output"])
def test_a_room_lists_its_modules(room: str) -> None:
    """The docstring of the room's __init__.py has a line for each module, and for nothing else."""
    docstring = ast.get_docstring(ast.parse((_ROOT / room / "__init__.py").read_text(encoding="utf-8")))
    listed = re.findall(r"^ {4,6}(\w+) +\S", docstring or "", re.M)
    modules = {file.stem for file in (_ROOT / room).glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(modules)


def test_files_are_short() -> None:
    """No file has more than 350 lines."""
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in _ROOT.rglob("*.py")}
    assert {str(file): lines for file, lines in lengths.items() if lines > 350} == {}


def test_functions_are_short() -> None:
    """No function has more than 60 lines."""
    long = {}
    for file in _ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long[f"{file.relative_to(_ROOT)}:{node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert long == {}


def test_the_top_level_has_no_stray_file() -> None:
    """No output of a run or a test, and no note, is committed."""
    listed = subprocess.run(["git", "ls-files"], cwd=_ROOT.parent, capture_output=True, text=True, check=True)
    names = {line.partition("/")[0] for line in listed.stdout.splitlines() if not line.startswith(".")}
    folders = {"docs", "infra", "jobs", "manifests", "t2vbatch", "tests"}
    files = {"LICENSE", "Makefile", "constraints.txt", "pyproject.toml"}
    assert {name for name in names - folders - files if not name.endswith(".md")} == set()
    assert not any(name.startswith("NOTE") for name in names)
