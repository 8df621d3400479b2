"""Broken standard streams: no file takes their number, and a run does not end because a message is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_OPENED = """
import os, sys
from t2vbatch.cli.streams import secure_streams

secure_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    for number in (1, 2):
        os.write(number, b"printed by a library")
    print("printed")
    print("printed", file=sys.stderr, flush=True)
    sys.stdin.read()
"""
_MAIN = [sys.executable, "-c", "from t2vbatch.cli import command; command()"]


def test_a_closed_stream_is_no_file(tmp_path: Path) -> None:
    """What libraries print to closed streams is in none of the files that are opened next."""
    (tmp_path / "script.py").write_text(_OPENED)
    place = tmp_path / "video.mp4"
    command = f'exec "{sys.executable}" "{tmp_path}/script.py" "{place}" <&- >&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", command], check=False).returncode == 0
    assert place.read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_below_the_result_is_one_message() -> None:
    """A result that cannot be written is exit code 1, and a reason without a traceback."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [*_MAIN, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 1
    assert found.stderr == "error: the result cannot be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_below_the_messages_changes_nothing(tmp_path: Path) -> None:
    """The exit code is that of the error that could not be shown."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run([*_MAIN, "status", str(tmp_path)], stderr=full, check=False)
    assert found.returncode == 2


@pytest.mark.parametrize("arguments", [["metrics"], ["metrics", "--json"], ["models", "--help"]])
def test_a_reader_that_leaves_is_no_failure(arguments: list[str]) -> None:
    """A command whose stdout has no reader any more, as after ``| head``, exits as it does with a reader."""
    process = subprocess.Popen([*_MAIN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate()
    assert (process.returncode, said) == (0, b"")


def test_a_character_that_the_encoding_lacks_is_a_question_mark(tmp_path: Path) -> None:
    """A terminal of another encoding shows ? for such a character, and the command goes on."""
    command = [*_MAIN, "manifest", "check", "rows\u7ea2.csv"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (2, b"")
    assert found.stdout.startswith(b"rows?.csv: found no such file")


def test_a_terminal_of_any_width(tmp_path: Path) -> None:
    """A width that is not a number of columns is ignored."""
    for columns in ("9" * 100_000, "0", "-5", "text"):
        command = [*_MAIN, "status", str(tmp_path)]
        found = subprocess.run(
            command, env={**os.environ, "COLUMNS": columns}, capture_output=True, check=False
        )
        assert (found.returncode, b"Traceback" in found.stderr) == (2, False)
