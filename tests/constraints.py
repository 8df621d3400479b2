"""Writes constraints.txt: one exact version for every package that the tests run with.

    python -m tests.constraints

The versions are those of the environment that runs this script. A package that nothing here requires is
left out, so that a tool installed by hand does not become a pin. Versions have no local part
(``torch==2.13.0``, not ``2.13.0+cpu``): pip then installs the CPU build where its index has one, and the
CUDA build elsewhere. The file has no hashes, because a hash would reject one of the two builds.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
FILE = ROOT / "constraints.txt"
LOWEST = ROOT / "tests" / "lowest.txt"
_GENERATORS = ROOT / "tests" / "models" / "generators.txt"
_TOOLS_OF_VENV = {"pip", "setuptools", "wheel"}
"""Their versions come with Python, or with the package that builds."""

_HEADER = """\
# The exact version of every package that the tests run with, on Python {python}. `make constraints`
# writes this file from the installed environment, and a test compares the two. The versions have no local
# part, so that pip installs the CPU build of torch where its index has one, and the CUDA build elsewhere.
"""
_LOWEST_HEADER = """\
# The lowest version of each direct dependency, from pyproject.toml. `make constraints` writes this file;
# continuous integration runs the tests with it.
"""


def project() -> dict[str, Any]:
    """The ``[project]`` table of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def direct_requirements() -> list[Requirement]:
    """What pyproject.toml and generators.txt name, extras included; not the project itself."""
    found = project()
    extras = found["optional-dependencies"].values()
    lines = [*found["dependencies"], *(line for extra in extras for line in extra)]
    requirements = [*map(Requirement, lines), *_generators()]
    return [one for one in requirements if canonicalize_name(one.name) != "t2vbatch"]


def pins() -> dict[str, str]:
    """Each required package of this environment with its version, sorted by name.

    Raises:
        PackageNotFoundError: a package that pyproject.toml names is not installed.
    """
    leaves = {canonicalize_name(one.name) for one in _generators()}
    waiting = direct_requirements()
    for one in waiting:
        distribution(one.name)
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if str(requirement) in seen or name in _TOOLS_OF_VENV:
            continue
        seen.add(str(requirement))
        try:
            found[name] = Version(distribution(name).version).public
        except PackageNotFoundError:  # Optional, and not asked for here, such as torch's CUDA libraries.
            continue
        if name not in leaves:
            waiting += _requirements_of(requirement)
    return dict(sorted(found.items()))


def _requirements_of(requirement: Requirement) -> Iterator[Requirement]:
    """What a package requires here: its own dependencies, and those of the extras that are asked for."""
    for line in distribution(requirement.name).requires or ():
        one = Requirement(line)
        extras = requirement.extras or {""}
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield one


def _generators() -> list[Requirement]:
    """The packages that `make install` installs with ``--no-deps``."""
    lines = _GENERATORS.read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def constraints() -> str:
    """The text of constraints.txt for this environment."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _HEADER.format(python=python) + "".join(f"{name}=={version}\n" for name, version in pins().items())


def lowest() -> str:
    """The text of lowest.txt: each ``>=`` of pyproject.toml as ``==``."""
    lines = {
        str(canonicalize_name(one.name)): spec.version
        for one in direct_requirements()
        for spec in one.specifier
        if spec.operator in (">=", "==")
    }
    return _LOWEST_HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(lines.items()))


if __name__ == "__main__":
    FILE.write_text(constraints())
    LOWEST.write_text(lowest())
