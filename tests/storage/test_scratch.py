"""The scratch folder: private, and deleted with its process or by the next one."""

import subprocess
import sys
from pathlib import Path

_OPEN = """
import os, sys, time
from t2vbatch.storage.scratch import scratch_folder
print(scratch_folder(), oct(scratch_folder().stat().st_mode & 0o777), flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
elif sys.argv[1] == "wait":
    sys.stdin.read()
"""


def _opened(folder: Path, act: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _OPEN, act],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(folder), "PYTHONPATH": ":".join(sys.path)},
    )


def test_a_scratch_folder_is_private_and_ends_with_its_process(tmp_path: Path) -> None:
    """A scratch folder has mode 0700 and is deleted at the end of its process."""
    out, _ = _opened(tmp_path, "end").communicate(timeout=120)
    assert out.split()[1] == "0o700"
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    """The folder of a living process stays, and so does a link with such a name."""
    living = _opened(tmp_path, "wait")
    assert living.stdout is not None
    kept = Path(living.stdout.readline().split()[0])
    _opened(tmp_path, "kill").communicate(timeout=120)
    (tmp_path / "target").mkdir()
    (tmp_path / "t2vbatch-scratch-link").symlink_to(tmp_path / "target")
    assert len(list(tmp_path.glob("t2vbatch-scratch-*"))) == 3
    _opened(tmp_path, "end").communicate(timeout=120)
    assert {path.name for path in tmp_path.iterdir()} == {kept.name, "target", "t2vbatch-scratch-link"}
    living.communicate("", timeout=120)
    assert not kept.exists()
