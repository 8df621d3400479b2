"""Environments of programs: made on first use, kept in the user's cache folder, and used offline afterwards.

An environment belongs to its requirements and constraints, not to its program: its folder is named by their
digest. It is complete once its marker file exists. A lock keeps two processes from making one environment at
the same time; an incomplete environment, which a killed process leaves behind, is replaced.
"""

import fcntl
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from t2vbatch.canonical import digest
from t2vbatch.metrics.program_file import FOLDER, ProgramFile
from t2vbatch.metrics.protocol import ProgramError

_log = logging.getLogger(__name__)

_MARKER = "complete"


def environment(program: ProgramFile) -> Path:
    """The folder of the program's environment, whether it exists or not."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}"
    parts = [python, program.requires_python, sorted(program.dependencies), sorted(program.constraints)]
    return base / "t2vbatch" / "environments" / digest(parts)[:16]


def is_made(program: ProgramFile) -> bool:
    """Whether the environment of the program is complete."""
    return (environment(program) / _MARKER).is_file()


def python_of(program: ProgramFile) -> Path:
    """Python of the program's environment, which is made if it does not exist.

    Raises:
        ProgramError: it could not be made.
    """
    folder = environment(program)
    python = folder / "bin" / "python"
    if is_made(program):
        return python
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock")):
            # Another process may have made it while this one waited.
            if not is_made(program):
                _make(program, folder)
    except OSError as error:
        raise ProgramError(f"{folder} cannot be written: {error.strerror or error}") from None
    return python


def _make(program: ProgramFile, folder: Path) -> None:
    _log.warning("%s: installing %s; this happens once", program.name, ", ".join(program.dependencies))
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    python = str(folder / "bin" / "python")
    if uv:
        # uv finds, or downloads, a Python of the right version.
        version = program.requires_python if not _runs_here(program) else sys.executable
        _run([uv, "venv", "--quiet", "--python", version, str(folder)], program)
        install = [uv, "pip", "install", "--quiet", "--python", python]
    elif _runs_here(program):
        _run([sys.executable, "-m", "venv", str(folder)], program)
        install = [python, "-m", "pip", "install", "--quiet"]
    else:
        raise ProgramError(
            f"{program.name} needs Python {program.requires_python}, and this is {platform.python_version()};"
            " install uv (pip install uv), which finds or downloads that version"
        )
    if program.dependencies:
        pins = ["--constraint", str(program.constraints_file)] if program.constraints else []
        _run([*install, *pins, *program.dependencies], program)
    (folder / _MARKER).touch()


def _runs_here(program: ProgramFile) -> bool:
    try:
        return SpecifierSet(program.requires_python).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        raise ProgramError(
            f"{program.name}: requires-python is {program.requires_python!r}; expected a version specifier"
        ) from None


def _run(command: Sequence[str], program: ProgramFile) -> None:
    """Run a step of the installation. Raises ProgramError with the last lines of its output."""
    # The paths of this process's packages must not reach the new environment.
    clean = {name: value for name, value in os.environ.items() if name not in OWN_PATHS}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean
    )
    if done.returncode == 0:
        return
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    raise ProgramError(
        f"the environment of {program.name} could not be made ({' '.join(lines[-3:])[-400:]}). It needs a"
        f" network once, to install {' '.join(program.dependencies)}; on a machine with a network, run:"
        f" {install_command(program)}"
    )


def install_command(program: ProgramFile) -> str:
    """The command that makes the environment beforehand."""
    name = program.name if program.path.parent == FOLDER.resolve() else str(program.path)
    return f"t2vbatch metrics {shlex.quote(name)} --install"


OWN_PATHS = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"})
"""Variables that would mix the packages of this process with those of a program's environment."""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
