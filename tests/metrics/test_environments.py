"""Programs with an environment of their own, made for real by venv and pip."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from t2vbatch.errors import MetricError
from t2vbatch.job import Clip
from t2vbatch.media.video import Video
from t2vbatch.metrics.environments import environment, is_made, python_of
from t2vbatch.metrics.program_file import ProgramFile, bundled_programs, find_program
from t2vbatch.metrics.protocol import Evidence, ProgramError
from t2vbatch.metrics.registry import build_metric

PROGRAM = """# /// script
# requires-python = "{python}"
# dependencies = ["{dependency}"]
#
# [tool.t2vbatch.yields]
# tiny = "higher"
# ///
\"\"\"A tiny judge.\"\"\"

import json
import sys

import tiny_judge

for line in sys.stdin:
    print(json.dumps({{"tiny": tiny_judge.VALUE}}), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ProgramFile]:
    """Writes a program whose one dependency is a folder, so that pip needs no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # Without uv, whatever this machine has.
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    def write(dependency: str | None = None, python: str = ">=3.8") -> ProgramFile:
        wheel = tmp_path / "tiny_judge-1.0-py3-none-any.whl"
        _write_wheel(wheel)
        file = tmp_path / "tiny.py"
        file.write_text(
            PROGRAM.format(dependency=dependency or f"tiny-judge @ {wheel.as_uri()}", python=python)
        )
        return find_program(str(file))

    return write


def _write_wheel(path: Path) -> None:
    """A wheel with one module, written by hand: a zip file with four members."""
    from zipfile import ZipFile

    about = "tiny_judge-1.0.dist-info"
    with ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_judge.py", "VALUE = 7\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-judge\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["tiny_judge.py", *(f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))


def evidence() -> Evidence:
    """A black video."""
    return Evidence(Video(np.zeros((2, 8, 6, 3), np.uint8), 8), "a prompt")


def test_a_program_runs_in_an_environment_that_is_made_once(program: Callable[..., ProgramFile]) -> None:
    """The first score installs the requirements; afterwards the environment is used as it is."""
    file = program()
    metric: Any = build_metric("tiny", {"program": str(file.path)}, Clip(path="unused"))
    assert metric.columns["tiny"].better == "higher"
    assert not is_made(file)
    assert metric.score(evidence()) == {"tiny": 7}
    made = (environment(file) / "complete").stat().st_mtime_ns
    again: Any = build_metric("tiny", {"program": str(file.path)}, Clip(path="unused"))
    assert again.score(evidence()) == {"tiny": 7}
    assert (environment(file) / "complete").stat().st_mtime_ns == made
    assert environment(program(python=">=3.9")) != environment(file)


def test_an_environment_that_was_left_incomplete_is_made_again(program: Callable[..., ProgramFile]) -> None:
    """A folder without its marker file, from an installation that was killed, is replaced."""
    file = program()
    (environment(file) / "bin").mkdir(parents=True)
    (environment(file) / "bin" / "python").write_text("broken")
    python = python_of(file)
    subprocess.run([python, "-c", "import tiny_judge"], check=True)


def test_two_processes_make_one_environment(program: Callable[..., ProgramFile]) -> None:
    """The second process waits for the first one, and both use the result."""
    file = program()
    code = (
        "import sys; from t2vbatch.metrics.environments import python_of\n"
        "from t2vbatch.metrics.program_file import find_program\nprint(python_of(find_program(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(file.path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    results = [one.communicate() for one in started]
    assert [one.returncode for one in started] == [0, 0], results
    assert len({out for out, _ in results}) == 1
    assert sum(b"installing" in errors for _, errors in results) == 1


def test_a_missing_package_is_explained_once(program: Callable[..., ProgramFile]) -> None:
    """Without a network the reason names the packages and the command, and is kept for later videos."""
    file = program(dependency="package-that-needs-a-network==1.0")
    metric: Any = build_metric("tiny", {"program": str(file.path)}, Clip(path="unused"))
    with pytest.raises(ProgramError, match=r"package-that-needs-a-network==1\.0") as raised:
        metric.score(evidence())
    assert f"t2vbatch metrics {file.path} --install" in str(raised.value)
    assert not is_made(file)
    with pytest.raises(ProgramError) as second:
        metric.score(evidence())
    assert second.value is raised.value


def test_another_version_of_python_is_explained(program: Callable[..., ProgramFile]) -> None:
    """Without uv, a program for another Python says which one it needs and how to get it."""
    with pytest.raises(ProgramError, match=r"needs Python <3\.9, and this is 3.*install uv"):
        python_of(program(python="<3.9"))


@pytest.mark.parametrize(
    "text", ["print(1)\n", "# /// script\n# dependencies = [\n# ///\n", "# /// script\n# ///\n"]
)
def test_a_file_without_metadata_is_no_program(tmp_path: Path, text: str) -> None:
    """The error names the key and what the file lacks."""
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(MetricError, match=r"metrics\.mine"):
        build_metric("mine", {"program": str(file)}, Clip(path="unused"))


def test_an_unknown_program_lists_the_known_ones() -> None:
    """So does the name of a program in the place of a metric."""
    with pytest.raises(MetricError, match=r"(?s)metrics\.x\.program.*videoscore2"):
        build_metric("x", {"program": "videoscore3"}, Clip(path="unused"))
    with pytest.raises(MetricError, match=r"program: videoscore2"):
        build_metric("videoscore2", {}, Clip(path="unused"))
    with pytest.raises(MetricError, match="either command or program"):
        build_metric("x", {"program": "vlm_judge", "command": ["true"]}, Clip(path="unused"))


def test_every_bundled_program_pins_its_packages_and_says_what_it_was_tried_with() -> None:
    """Each requirement is exact, and the docstring has the fields of a metric and ``Tried with``."""
    for program in bundled_programs().values():
        assert program.dependencies
        assert all("==" in requirement for requirement in program.dependencies), program.name
        assert program.requires_python
        assert program.yields
        for field in ("Definition", "Source", "Range", "Direction", "Cost", "Weights", "Tried with"):
            assert f"\n{field}: " in program.text, (program.name, field)


def test_lines_of_a_docstring_belong_to_a_field() -> None:
    """After the first line, each line of a program's docstring names a field or is indented below one."""
    named = re.compile(r"(Definition|Options|Source|Range|Direction|Cost|Weights|Tried with): |    |$")
    for program in bundled_programs().values():
        lines = program.text.splitlines()[1:]
        assert [line for line in lines if not named.match(line)] == [], program.name


def test_the_constraints_of_a_bundled_program_fit_its_metadata() -> None:
    """Each dependency has its version among the exact pins, and the file names no package index."""
    for program in bundled_programs().values():
        pins = [Requirement(line) for line in program.constraints]
        assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins), program.name
        assert "://" not in program.constraints_file.read_text(), program.name
        pinned = {(canonicalize_name(pin.name), str(pin.specifier)) for pin in pins}
        for dependency in map(Requirement, program.dependencies):
            found = (canonicalize_name(dependency.name), str(dependency.specifier))
            assert found in pinned, f"{program.name}: run make program-constraints"


@pytest.mark.timeout(900)
def test_the_constraints_of_a_bundled_program_are_complete(installed: Callable[[str], Path]) -> None:
    """An environment that is made from them has no package with another version, and none without a pin."""
    code = (
        "import json\nfrom importlib.metadata import distributions\n"
        "print(json.dumps({one.metadata['Name']: one.version for one in distributions()}))"
    )
    # Isolated: Python would also find the packages of the current folder, such as those of a checkout.
    found = subprocess.run([installed("av_align"), "-I", "-c", code], capture_output=True, check=True)
    versions = {canonicalize_name(name): version for name, version in json.loads(found.stdout).items()}
    pins = [Requirement(line) for line in bundled_programs()["av_align"].constraints]
    allowed = {(canonicalize_name(pin.name), version) for pin in pins for version in _versions(pin)}
    assert {item for item in versions.items() if item[0] not in ("pip", "setuptools")} <= allowed


def _versions(pin: Requirement) -> list[str]:
    return [one.version for one in pin.specifier]


def test_constraints_pin_what_dependencies_need(program: Callable[..., ProgramFile], tmp_path: Path) -> None:
    """A file beside the program is passed to the installer, and belongs to the environment and its scores."""
    plain = program()
    (tmp_path / "tiny.constraints.txt").write_text("# a comment\ntiny-judge==1.0  # the only version\n")
    pinned = find_program(str(plain.path))
    assert pinned.constraints == ("tiny-judge==1.0",)
    assert environment(pinned) != environment(plain)
    subprocess.run([python_of(pinned), "-c", "import tiny_judge"], check=True)
    (tmp_path / "tiny.constraints.txt").write_text("tiny-judge==2.0\n")
    with pytest.raises(ProgramError, match="could not be made"):
        python_of(find_program(str(plain.path)))
