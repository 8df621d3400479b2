"""Installing: complete pins, lower bounds, a wheel with all its files, a CI script that finds a browser."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.constraints import FILE, LOWEST, constraints, direct_requirements, lowest, pins

_ROOT = Path(__file__).parent.parent


def _pinned() -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)==(\S+)$", FILE.read_text(), re.M))


def test_every_installed_package_has_its_pin() -> None:
    """No package of the environment has another version than the file, and none is missing from it."""
    written = _pinned()
    installed = pins()
    assert {name: found for name, found in installed.items() if written.get(name, found) != found} == {}
    if f"Python {sys.version_info.major}.{sys.version_info.minor}." in FILE.read_text():
        assert FILE.read_text() == constraints()


def test_pins_are_sorted_and_have_no_local_version() -> None:
    """Pins are sorted and have no local version such as +cpu, which would exclude the CUDA build."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)


@pytest.mark.parametrize("requirement", direct_requirements(), ids=lambda one: one.name)
def test_a_direct_dependency_allows_its_pin(requirement: Requirement) -> None:
    """The range in pyproject.toml contains the version in constraints.txt."""
    name = requirement.name.lower().replace("_", "-")
    assert Version(_pinned()[name]) in requirement.specifier


def test_every_import_is_a_direct_dependency() -> None:
    """Each package that t2vbatch imports is in pyproject.toml, and not there by way of another package."""
    # The programs have environments of their own; pydantic-core is the other half of pydantic.
    files = [file for file in (_ROOT / "t2vbatch").rglob("*.py") if file.parent.name != "programs"]
    imported = {name.partition(".")[0] for file in files for name in _imports(file)}
    # _typeshed exists for type checkers only.
    imported -= {*sys.stdlib_module_names, "t2vbatch", "pydantic_core", "_typeshed"}
    owners = packages_distributions()
    direct = {canonicalize_name(requirement.name) for requirement in direct_requirements()}
    assert {name for name in imported if direct.isdisjoint(map(canonicalize_name, owners[name]))} == set()


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_lowest_versions_are_those_of_pyproject() -> None:
    """lowest.txt names each lower bound once; no pinned version is below its bound."""
    assert LOWEST.read_text() == lowest()
    bounds = dict(re.findall(r"^([\w-]+)==(\S+)$", LOWEST.read_text(), re.M))
    assert {name for name, bound in bounds.items() if Version(_pinned()[name]) < Version(bound)} == set()


def test_the_file_names_no_registry() -> None:
    """The file of pins names no package index."""
    assert "://" not in FILE.read_text() + LOWEST.read_text()


def test_the_wheel_has_every_file() -> None:
    """Each file of the package that is not Python matches a pattern of package-data."""
    package = _ROOT / "t2vbatch"
    with (_ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["t2vbatch"]
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files - packed if path.suffix != ".py"} == set()


_BROWSERS = ("chromium", "chromedriver", "firefox-esr")


@pytest.mark.parametrize("missing", [None, *_BROWSERS])
def test_ci_installs_the_browsers_where_one_program_is_missing(tmp_path: Path, missing: str | None) -> None:
    """`.ci/run` calls apt-get if any of the browsers' programs is not on the PATH, and not otherwise."""
    calls = tmp_path / "calls"
    programs = dict.fromkeys(("make", *_BROWSERS), "true") | {"apt-get": f'echo "$@" >> {calls}'}
    for name, text in programs.items():
        if name != missing:
            (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
            (tmp_path / name).chmod(0o755)
    for name in ("bash", "env", "dirname"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    environment = {"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")}
    subprocess.run([tmp_path / "bash", _ROOT / ".ci/run"], env=environment, check=True)
    assert calls.exists() == (missing is not None)


_DEBIAN = "chromium chromium-driver firefox-esr"


@pytest.mark.parametrize("file", [_ROOT / ".ci/run", *sorted(_ROOT.glob(".github/workflows/*.yml"))], ids=str)
def test_continuous_integration_has_every_browser(file: Path) -> None:
    """Whoever runs the tests in continuous integration installs Debian's browsers first, in a Debian."""
    text = file.read_text()
    installs = re.findall(r"apt-get install (?:-\S+ )*([^>\n]+)", text)
    assert {" ".join(packages.split()) for packages in installs} == {_DEBIAN}
    if file.suffix == ".yml":
        jobs = yaml.safe_load(text)["jobs"].values()
        steps = {job.get("container", {}).get("image", ""): str(job["steps"]) for job in jobs}
        tested = {image: found for image, found in steps.items() if re.search("pytest|wheel-test", found)}
        assert tested
        assert all("bookworm" in image and _DEBIAN in found for image, found in tested.items())
