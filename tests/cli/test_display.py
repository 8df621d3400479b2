"""What a run shows: rates that make sense, equal warnings once, a log file."""

import logging
from pathlib import Path

import pytest

from t2vbatch.cli import display
from t2vbatch.cli.display import Display
from t2vbatch.cli.words import duration, fitted
from t2vbatch.engines import Progress
from t2vbatch.errors import RunError, UsageError, counted

_LOG = logging.getLogger("t2vbatch.engines.loop")


def test_equal_warnings_are_shown_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty equal warnings are shown as one line and a line with their number."""
    with Display():
        for _ in range(20):
            _LOG.warning("gave up on a sample: %s", "num_frames must be a number")
        _LOG.warning("another warning")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["gave up on a sample: num_frames must be a number", "another warning"]
    assert lines[2] == "20 times: gave up on a sample: num_frames must be a number"
    assert len(lines) == 3


def test_warnings_of_one_kind_are_counted_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers that died of one cause are one line; the count names no worker."""
    with Display():
        _LOG.warning("worker %d died: exit code 139", 3)
        _LOG.warning("worker %d died: exit code 139", 4)
        _LOG.warning("worker %d died: exit code 137", 5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["worker 3 died: exit code 139", "worker 5 died: exit code 137"]
    assert lines[2:] == ["2 times: worker … died: exit code 139"]


def test_a_long_wait_is_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a log, a wait that is counted in minutes is a line for each minute, and no line comes twice."""
    now = [0.0]
    monkeypatch.setattr("t2vbatch.cli.display.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Display, "_tick", lambda display: None)
    with Display() as shown:
        shown.wait("generating again")
        for second in range(5, 300, 5):
            now[0] = float(second)
            shown._show_waiting()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines))
    assert lines[-4:] == [f"generating again, {number} min" for number in (2, 3, 4, 5)]


def test_loading_a_second_model_keeps_the_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """600 videos in 100 s are 360 per minute, also after the next model has begun to load."""
    now = [0.0]
    monkeypatch.setattr("t2vbatch.cli.display.time.monotonic", lambda: now[0])
    monkeypatch.setattr(display, "LINE_EVERY_S", 0.0)
    with Display() as shown:
        shown.show(Progress(0, 0, 0, 0, 606, 1, 0))
        now[0] = 100.0
        shown.show(Progress(600, 0, 0, 1, 5, 1, 0))
        shown.show(Progress(600, 0, 0, 0, 6, 0, 1, loading={"b": 1}))
        now[0] = 101.0
        shown.show(Progress(601, 0, 0, 0, 5, 1, 0))
    lines = [line for line in capsys.readouterr().err.splitlines() if " left" in line]
    assert "600/606 samples, 1 s left, 360.0 videos/min" in lines[0]
    assert "601/606 samples, 1 s left, 357.0 videos/min" in lines[1]


def test_a_log_file_gets_progress_and_warnings(tmp_path: Path) -> None:
    """A log file gets progress and warnings, also with --json; a second run appends to it."""
    file = tmp_path / "run.log"
    for _ in range(2):
        with Display(quiet=True, log_file=file) as shown:
            _LOG.warning("worker 1 died")
            shown.show(Progress(4, 0, 0, 0, 0, 1, 0))
    text = file.read_text()
    assert text.count("WARNING worker 1 died") == 2
    assert text.count("INFO 4/4 samples") == 2


def test_the_error_of_a_run_goes_into_the_log_file_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line prints the error itself; a second copy on the terminal would repeat it."""
    with pytest.raises(RunError), Display(log_file=tmp_path / "run.log"):
        raise RunError("the disk is full")
    assert "ERROR RunError: the disk is full" in (tmp_path / "run.log").read_text()
    assert "the disk is full" not in capsys.readouterr().err


def test_a_log_file_changes_no_level_for_good(tmp_path: Path) -> None:
    """After a command with a log file, the level of the package's log is the one of before."""
    with Display(quiet=True, log_file=tmp_path / "run.log"):
        assert _LOG.isEnabledFor(logging.INFO)
    assert not _LOG.isEnabledFor(logging.INFO)


def test_a_log_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """The message for a log file that cannot be opened names the file."""
    with pytest.raises(UsageError, match=r"no/run\.log"):
        Display(log_file=tmp_path / "no" / "run.log")


def test_numbers_in_words() -> None:
    """Counts have a singular and a plural; durations are in seconds, minutes, hours or days."""
    assert [counted(n, "row") for n in (0, 1, 1500)] == ["0 rows", "1 row", "1,500 rows"]
    shown = [duration(seconds) for seconds in (5, 89, 600, 3 * 3600 + 300, 50 * 3600)]
    assert shown == ["5 s", "89 s", "10 min", "3 h 05 min", "2 d 2 h"]


def test_a_sentence_is_broken_at_spaces_and_a_table_is_not() -> None:
    """Words stay whole; the lines of a table keep their width."""
    text = fitted("one two three four\nname   1.234567890   12", 12)
    assert text.splitlines() == ["one two", "three four", "name   1.234567890   12"]


def test_the_seconds_of_a_wait_fit_a_narrow_terminal() -> None:
    """The finished samples stand behind what the run waits for, or are left out; the seconds are kept."""
    shown = Display(quiet=True)
    shown.show(Progress(24, 0, 0, 0, 12, 0, 1, loading={"many-steps": 1}))
    what = "loading many-steps on 1 worker"
    assert shown._waiting(what, 28, 80) == "loading many-steps on 1 worker, 28 s; 24/36 samples"
    assert shown._waiting(what, 28, 40) == "loading many-steps on 1 worker, 28 s"
    assert shown._waiting(what, 28, 20) == "loading many-…, 28 s"


def test_the_bar_follows_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of a run has the width that the window has at the moment, less four columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)  # It would set the width for good.
    shown = Display()
    for columns in (100, 60, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown.show(Progress(4, 0, 0, 1, 91, 1, 0))
        lines = shown._console.render_lines(shown._bar.get_renderable())
        assert [sum(len(part.text) for part in line) for line in lines] == [columns]
        text = "".join(part.text for part in lines[0])
        assert "4/96 samples" in text
        assert text.endswith("    ")
    shown._stop()


def test_a_terminal_that_replaces_no_line_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With TERM=dumb the progress is a line every few seconds, as in a log, and has no control characters."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(display, "LINE_EVERY_S", 0.0)
    with Display() as shown:
        shown.show(Progress(4, 0, 0, 1, 91, 1, 0))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("4/96 samples")
    assert line.isprintable()
