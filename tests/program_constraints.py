"""Writes the constraints files of the programs: ``python -m tests.program_constraints [NAME ...]``.

Each file pins every package that a program's dependencies need, for all systems and versions of Python that
the program takes. It needs ``uv`` on the path (``pip install uv``) and a package index. The packages are the
newest ones of the day; commit the files.
"""

import shutil
import subprocess
import sys

from t2vbatch.metrics.program_file import ProgramFile, bundled_programs

_HEADER = """\
# Every package that the dependencies of {name} need. `make program-constraints` writes this file, and a test
# compares it with the metadata of {name}.py.
"""


def resolved(program: ProgramFile, uv: str) -> str:
    """The text of the constraints file."""
    command = [uv, "pip", "compile", "--universal", "--no-python-downloads", "--quiet"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", str(program.path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return _HEADER.format(name=program.name) + done.stdout


def main() -> None:
    """Write the files of the named programs, of all without a name."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("uv is not on the path; install it: pip install uv")
    programs = bundled_programs()
    for name in sys.argv[1:] or programs:
        program = programs[name]
        program.constraints_file.write_text(resolved(program, uv), encoding="utf-8")
        print(program.constraints_file)


if __name__ == "__main__":
    main()
