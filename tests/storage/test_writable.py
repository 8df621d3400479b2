"""Folders that cannot be created or written, found before a command does its work."""

from pathlib import Path

import pytest

from t2vbatch.errors import UsageError
from t2vbatch.storage.writable import check_writable


def _problem(folder: Path) -> UsageError:
    with pytest.raises(UsageError) as found:
        check_writable("output", folder)
    return found.value


def test_a_new_folder_can_be_written_and_is_not_made(tmp_path: Path) -> None:
    """The check leaves nothing behind, neither in a new folder nor in one that exists."""
    check_writable("output", tmp_path / "a" / "b")
    check_writable("output", tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    """A path at or below a file is refused, and the message names the file."""
    file = tmp_path / "file"
    file.touch()
    assert f"{file}" in _problem(file / below).found
    assert "is a file" in _problem(file / below).found


def test_a_broken_link_is_in_the_way(tmp_path: Path) -> None:
    """No folder can be created where a link leads nowhere."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "missing")
    assert str(link) in _problem(link / "sub").found


@pytest.mark.parametrize("folder", ["/proc/output", "/sys/output", "/dev/null/output"])
def test_where_root_cannot_write_either(folder: str) -> None:
    """Permissions allow root to write everywhere, and the check still finds folders that take no files."""
    problem = _problem(Path(folder))
    assert folder in problem.found
    assert problem.fix


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the system and what to do are in the message."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".t2vbatch-x"))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    problem = _problem(tmp_path / "sub")
    assert problem.found == f"{tmp_path / 'sub'}, but {tmp_path} is not writable (Permission denied)"
    assert "permissions" in problem.fix


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """A path that the system refuses to look up is a problem and no traceback."""
    assert "too long" in _problem(tmp_path / ("x" * 300)).found
