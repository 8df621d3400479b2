"""The documentation is complete: every key, every command, every job file; and what it shows works."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from t2vbatch.cli import app
from t2vbatch.job import keys, load_job
from tests.reference import FILE, reference

_ROOT = Path(__file__).parent.parent
_JOBS = sorted((_ROOT / "jobs").glob("*.yaml"))


def _commands() -> dict[str, str]:
    """Every command as it is typed, with its help."""
    found: dict[str, str] = {}
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, command in root.commands.items():
        if isinstance(command, TyperGroup):
            found |= {f"{name} {sub}": inner.help or "" for sub, inner in command.commands.items()}
        else:
            found[name] = command.help or ""
    return found


def test_every_key_of_a_job_is_documented() -> None:
    """The tables of jobs/README.md have each key with the description in the code."""
    page = (_ROOT / "jobs/README.md").read_text()
    section = page[page.index("## Keys") : page.index("## Manifest columns")]
    rows = re.findall(r"^\| `([\w.]+)` \| .*? \| (.*) \|$", section, re.M)
    assert dict(rows) == keys()


def test_every_job_is_in_the_index() -> None:
    """The index has every job with the first line of its comment."""
    index = (_ROOT / "jobs/README.md").read_text()
    rows = {job.name: job.read_text().splitlines()[0].removeprefix("# ") for job in _JOBS}
    assert [name for name, text in rows.items() if f"| [{name}]({name}) | {text} |" not in index] == []


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: job.name)
def test_every_job_is_valid(job: Path) -> None:
    """Every job is valid, and its manifest exists."""
    assert Path(load_job(job).manifest).exists()


@pytest.mark.parametrize("command", sorted(_commands()))
def test_every_command_shows_an_example(command: str) -> None:
    """--help of every command ends with an example."""
    assert f"t2vbatch {command}" in _commands()[command]


def test_every_command_is_in_the_readme() -> None:
    """README.md lists every command."""
    readme = (_ROOT / "README.md").read_text()
    assert [name for name in _commands() if f"`t2vbatch {name}" not in readme] == []


def test_links_lead_somewhere() -> None:
    """Every relative link of the documentation leads to a file."""
    broken = []
    for page in (*_ROOT.glob("*.md"), *_ROOT.glob("*/README.md"), *_ROOT.glob("docs/**/*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            if not (page.parent / link).exists():
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_files_that_the_architecture_names_exist() -> None:
    """Each room and file in ARCHITECTURE.md is in the repository."""
    page = (_ROOT / "ARCHITECTURE.md").read_text()
    names = {name for name in re.findall(r"`([\w./]+(?:\.py|/))`", page) if name != "records/"}
    missing = {
        name for name in names if not any((base / name).exists() for base in (_ROOT, _ROOT / "t2vbatch"))
    }
    assert missing - {"inline.py", "ray.py", "t2vbatch/"} == set()
    assert len(names) > 30


def test_the_architecture_lists_every_room() -> None:
    """The table of rooms has a line for each file and folder of the package, and no other."""
    table = (_ROOT / "ARCHITECTURE.md").read_text().split("## How a row travels")[0]
    rooms = set(re.findall(r"^\| `([\w.]+?)(?:\.py|/)` ", table, re.M))
    names = {path.stem for path in (_ROOT / "t2vbatch").iterdir()} - {
        "__init__",
        "__main__",
        "__pycache__",
        "py",
    }
    assert rooms == names


def test_the_reference_is_that_of_the_program() -> None:
    """docs/reference.md is what `make reference` writes."""
    if version("typer") != _pin("typer"):
        pytest.skip("another typer formats help differently")
    assert FILE.read_text() == reference()


def _pin(name: str) -> str:
    found = re.search(rf"^{name}==(.*)$", (_ROOT / "constraints.txt").read_text(), re.M)
    assert found
    return found[1]


def test_each_promise_of_the_security_page_has_its_test() -> None:
    """Each test that SECURITY.md names exists."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?` \|$", (_ROOT / "SECURITY.md").read_text(), re.M)
    assert len(named) > 10
    for file, test in named:
        text = (_ROOT / file).read_text()
        assert not test or f"def {test}(" in text, f"{file} has no {test}"


def test_workflows_call_targets_that_exist() -> None:
    """Each `make TARGET` of the workflows and pages is in the Makefile."""
    makefile = (_ROOT / "Makefile").read_text()
    pages = (*_ROOT.glob(".github/workflows/*.yml"), *_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"))
    for page in pages:
        text = page.read_text()
        calls = re.findall(r"(?:run: |^|`)make ([a-z][a-z -]*[a-z])", text, re.M)
        for target in (word for call in calls for word in call.split()):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"
