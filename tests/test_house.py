"""The shape of the code: who may import whom, and who may import Ray."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent / "t2vbatch"

HOUSE = [
    "errors", "steps", "canonical", "web", "refusals", "files", "document", "environment", "mistakes",
    "sections", "limits", "job", "manifest", "audio", "video", "playable", "degenerate", "models",
    "metrics", "plan", "units", "records", "work", "processes", "lease", "store", "poster", "worker",
    "schedule", "engines", "results", "distance", "bootstrap", "tables", "summary", "summary_text",
    "compare", "compare_text", "highlights", "report", "trackers", "notebook", "status", "verify",
    "prepare", "run", "remake", "rescore", "remeasure", "sheet", "interchange", "doctor", "cli",
]  # fmt: skip
"""From the ground up. Of a package, all modules stand on one floor."""


def _floor(module: str) -> str:
    """The floor on which a module stands: ``t2vbatch.models.inputs`` is on ``models``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


_FILES = [file for file in sorted(_ROOT.rglob("*.py")) if file.name != "__main__.py" and file.parent != _ROOT]
_FILES += [file for file in sorted(_ROOT.glob("*.py")) if file.stem not in {"__init__", "__main__"}]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_ROOT)))
def test_a_module_imports_only_from_below(file: Path) -> None:
    """No circles, no shortcuts upwards, no deferred import that hides one."""
    own = file.relative_to(_ROOT).parts[0].removesuffix(".py")
    assert own in HOUSE, f"{own} has no floor yet: say where it stands"
    for module in _imports(file):
        if module.startswith("t2vbatch."):
            other = _floor(module)
            assert HOUSE.index(other) <= HOUSE.index(own), f"{own} imports {other}, which stands above it"


def test_ray_is_imported_in_one_file() -> None:
    """Everything else runs without it."""
    users = {
        str(file.relative_to(_ROOT))
        for file in _ROOT.rglob("*.py")
        if any(module.split(".")[0] == "ray" for module in _imports(file))
    }
    assert users == {"engines/ray.py"}


@pytest.mark.parametrize("name", ["plan", "summary", "results", "records", "canonical", "degenerate"])
def test_what_is_pure_imports_no_torch(name: str) -> None:
    """Planning and statistics run on a machine that has neither torch nor a GPU."""
    used = {module.split(".")[0] for module in _imports(_ROOT / f"{name}.py")}
    assert used & {"torch", "diffusers", "transformers", "ray"} == set()


def test_files_are_short() -> None:
    """Past 350 lines there is a piece that wants out."""
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in _ROOT.rglob("*.py")}
    assert {str(file): lines for file, lines in lengths.items() if lines > 350} == {}
