"""Program files: where a program is, and what its metadata says.

A program is a Python file with inline metadata (PEP 723): ``requires-python`` and ``dependencies`` describe
its environment. The table ``[tool.t2vbatch]`` holds what t2vbatch reads: ``yields``, the columns and their
better directions; ``audio = true``, if the program reads the sound; ``images = true``, if it reads the input
images of the row; ``texts``, the manifest columns that it reads; ``pairs = true``, if it also compares two
videos.

``dependencies`` are the packages that the program imports. A file ``NAME.constraints.txt`` beside
``NAME.py`` pins the packages that those need: a constraints file of pip, which ``uv pip compile --universal``
writes.
"""

import ast
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

FOLDER = Path(__file__).parent / "programs"
"""The programs that are part of this package."""

Direction = Literal["higher", "lower", "none"]

# The expression of PEP 723.
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True)
class ProgramFile:
    """A program and its metadata.

    Attributes:
        requires_python: a version specifier such as ``>=3.10,<3.12``; empty for any version.
        dependencies: requirements as pip takes them.
        yields: column: better direction.
        audio: whether the program reads the sound of a video.
        images: whether the program reads the input images of the row.
        texts: the manifest columns that the program reads.
        pairs: whether the program also compares two videos.
        text: the docstring.
        constraints: the lines of the constraints file, without comments; empty if there is no such file.
    """

    path: Path
    requires_python: str
    dependencies: tuple[str, ...]
    yields: Mapping[str, Direction]
    audio: bool
    images: bool
    texts: tuple[str, ...]
    pairs: bool
    text: str
    constraints: tuple[str, ...] = ()

    @property
    def constraints_file(self) -> Path:
        """The place of the constraints file, whether it exists or not."""
        return self.path.with_suffix(".constraints.txt")

    @property
    def name(self) -> str:
        """The file name without ``.py``."""
        return self.path.stem


def bundled_programs() -> dict[str, ProgramFile]:
    """The programs of this package, by name."""
    files = sorted(FOLDER.glob("[!_]*.py"))
    return {file.stem: read_program(file) for file in files}


def find_program(name: str) -> ProgramFile:
    """The bundled program with this name, or the program at this path.

    Raises:
        ValueError: neither exists, or the file has no valid metadata; the message says what is expected.
    """
    if re.fullmatch(r"\w+", name):
        file = FOLDER / f"{name}.py"
        if name.startswith("_") or not file.is_file():
            names = ", ".join(one.stem for one in sorted(FOLDER.glob("[!_]*.py")))
            raise ValueError(f"one of {names}, or the path of a Python file")
        return read_program(file)
    file = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's own method raises for an unknown user
    if file.suffix != ".py" or not file.is_file():
        raise ValueError("the path of a Python file that exists")
    return read_program(file)


def read_program(file: Path) -> ProgramFile:
    """Read the metadata of a program. Raises ValueError, which says what is expected."""
    expected = f"a Python file with metadata as in PEP 723 (# /// script) in {file.name}"
    try:
        source = file.read_text(encoding="utf-8")
        blocks = [match for match in _BLOCK.finditer(source) if match["type"] == "script"]
        if len(blocks) != 1:
            raise ValueError(f"{expected}; it has {len(blocks)} such blocks")
        lines = blocks[0]["content"].splitlines()
        return _program(file, tomllib.loads("\n".join(line[2:] for line in lines)), source)
    except (OSError, SyntaxError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ValueError(f"{expected}; {error}") from None


def _program(file: Path, metadata: Mapping[str, Any], source: str) -> ProgramFile:
    own = metadata.get("tool", {}).get("t2vbatch", {})
    yields = own.get("yields", {})
    if not set(yields.values()) <= set(get_args(Direction)):
        raise ValueError(f"yields in {file.name} with the directions higher, lower or none, not {yields}")
    return ProgramFile(
        file.resolve(),
        str(metadata.get("requires-python", "")),
        tuple(metadata.get("dependencies", ())),
        yields,
        bool(own.get("audio", False)),
        bool(own.get("images", False)),
        tuple(own.get("texts", ())),
        bool(own.get("pairs", False)),
        ast.get_docstring(ast.parse(source)) or "",
        _constraints(file.with_suffix(".constraints.txt")),
    )


def _constraints(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)
