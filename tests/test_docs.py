"""The documentation is complete: every key, every command, every job file; and what it shows works."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
import typer.main
import yaml
from typer.core import TyperGroup

from t2vbatch.cli import app
from t2vbatch.job import Job, keys, load_job, parse_job
from tests.reference import FILE, reference

_ROOT = Path(__file__).parent.parent
_JOBS = sorted((_ROOT / "jobs").glob("*.yaml"))
_PAGES = sorted(
    {
        *_ROOT.glob("*.md"),
        *_ROOT.glob("docs/**/*.md"),
        *(_ROOT / name / "README.md" for name in ("jobs", "infra", "jobs/leaderboards")),
    }
    - {_ROOT / "CHANGELOG.md"}
)
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""The class of every error of a command line; it is in click or in typer, depending on typer's version."""

_SMALL_JOB = {"manifest": "m.csv", "output": "out", "models": {"shapes": {"path": "bundled:shapes"}}}


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


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_every_command_line_of_a_page_parses(page: Path) -> None:
    """Each call of ``t2vbatch`` in a block or between backquotes has a command and options that exist."""
    text = page.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.M | re.S)
    spans = re.findall(r"`(t2vbatch [^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    problems = {line: _problem(line) for block in blocks for line in _calls(block)}
    # Between backquotes a call may be without its arguments.
    problems |= {line: _problem(line, whole=False) for span in spans for line in _calls(span)}
    assert {line: problem for line, problem in problems.items() if problem} == {}


def _calls(text: str) -> Iterator[str]:
    """The calls of t2vbatch, without what a shell does with them."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if call := re.match(r"\s*(?:[A-Z]+=\S+ )*(t2vbatch (?!\[)[^|;>]+)", line):
            yield call[1]


def _problem(call: str, whole: bool = True) -> str:
    """What the program says about the words of a call; nothing if it would start."""
    # [JOB] is optional; K and N stand for a number.
    words = re.sub(r"\[(\w+)\]", r"\1", re.sub(r"\b[KN]\b", "1", call))
    arguments = shlex.split(words, comments=True)[1:]
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    if isinstance(command, TyperGroup):  # Its options act at once, such as --install-completion.
        known = {option for parameter in command.params for option in parameter.opts}
        return ", ".join(set(arguments) - known)
    with contextlib.suppress(typer.Exit), redirect_stdout(io.StringIO()):  # --help
        try:
            command.make_context("t2vbatch", arguments)
        except _USAGE_ERROR as error:
            if whole or not type(error).__name__.startswith("Missing"):
                return str(error)
    return ""


def test_the_keys_that_a_page_names_exist() -> None:
    """Each key of a job that a page writes with dots, such as ``workers.count``, is a key."""
    known = {re.sub(r"\.NAME\.", ".", key) for key in keys()}
    sections = "workers|limits|video|report|budget|ray|media|columns"
    for page in _PAGES:
        named = set(
            re.findall(rf"[` ]((?:{sections})\.(?!(?:py|zip)\b)[a-z_]+)(?=[`= :,])", page.read_text())
        )
        assert named <= known, page.name


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_every_job_of_a_page_is_valid(page: Path) -> None:
    """Each block of YAML that is a job, or a part of one, has keys and values that a job takes."""
    for text in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.M | re.S):
        part = yaml.safe_load(text)
        if isinstance(part, dict) and part.keys() <= Job.model_fields.keys():
            parse_job(yaml.safe_dump(_SMALL_JOB | part), page.name)


def test_links_lead_somewhere() -> None:
    """Every relative link of the documentation leads to a file."""
    broken = []
    for page in (*_ROOT.glob("*.md"), *_ROOT.glob("*/README.md"), *_ROOT.glob("docs/**/*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            if not (page.parent / link).exists():
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_the_page_of_the_tests_names_each_of_its_files() -> None:
    """tests/README.md names each file and folder of tests/ that is not a room's, and nothing else."""
    page, tests = (_ROOT / "tests/README.md").read_text(), _ROOT / "tests"
    rooms = {path.name for path in (_ROOT / "t2vbatch").iterdir()}
    names = {path.name for path in tests.iterdir() if path.suffix == ".py" or path.is_dir()}
    names -= {"__pycache__", "__init__.py", *rooms}
    assert {name for name in names if not re.search(rf"[`\[]{re.escape(name)}", page)} == set()
    cells = re.findall(r"^\| (.*?) \|", page, re.M)
    named = {name for cell in cells for name in re.findall(r"`([\w./]+)`", cell)}
    assert {name for name in named if not (tests / name).exists()} == set()


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
