"""The record log: folding, withdrawing and rewriting, with readers, and with deaths at every step."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from t2vbatch.output import record_log
from t2vbatch.output.folding import Folding
from t2vbatch.output.record_log import RecordLog
from t2vbatch.output.records import Record
from t2vbatch.storage.files import Durable, LocalFolder


class _KilledError(Exception):
    """The process dies here."""


class _MortalFolder(LocalFolder):
    """A folder whose process dies before its ``left``-th write or deletion."""

    def __init__(self, root: Path, left: int = 10**9) -> None:
        super().__init__(root)
        self.left = left

    def write(self, name: str, data: bytes, durable: Durable = "name") -> None:
        self._live()
        super().write(name, data, durable)

    def delete(self, name: str) -> None:
        self._live()
        super().delete(name)

    def delete_all(self, names: Sequence[str]) -> None:
        for name in names:  # Any order, and any number of them, may be deleted at a death.
            self.delete(name)

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _KilledError


def _record(name: str, seed: int = 1) -> Record:
    return Record(
        sample_id=name, row_id=name, model="m", sample_index=0, seed=seed, status="ok", attempts=1, call={}
    )


def _rows(log: RecordLog) -> dict[str, int]:
    table = log.read()
    assert len(set(table["sample_id"].to_pylist())) == table.num_rows
    return dict(zip(table["sample_id"].to_pylist(), table["seed"].to_pylist(), strict=True))


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "SEGMENT_ROWS", 3)


def _prepared(folder: Path) -> RecordLog:
    """Eight records in full and short segments, one withdrawn, and three small records."""
    log = RecordLog(LocalFolder(folder))
    for name in "abcdefgh":
        log.create(_record(name))
    log.fold()
    log.withdraw(["c"])
    for name in "ijk":
        log.create(_record(name))
    return log


def _rewritten(log: RecordLog) -> None:
    log.rewrite(log.read())


@pytest.mark.parametrize(
    "act", [RecordLog.fold, RecordLog.compact, _rewritten, lambda log: log.withdraw(["x"])]
)
@pytest.mark.parametrize("survived", range(12))
def test_dying_anywhere_leaves_one_truth(
    tmp_path: Path, act: Callable[[RecordLog], object], survived: int
) -> None:
    """After a death at any write or deletion, readers see each record once, before and after recovery."""
    _prepared(tmp_path)
    expected = dict.fromkeys("abdefghijk", 1)
    try:
        act(RecordLog(_MortalFolder(tmp_path, survived)))
    except _KilledError:
        assert _rows(RecordLog(LocalFolder(tmp_path))) == expected
    log = RecordLog(LocalFolder(tmp_path))
    log.recover()
    assert _rows(log) == expected
    log.compact()
    assert _rows(log) == expected
    assert len(list(LocalFolder(tmp_path).names("records"))) == 1


def test_a_withdrawn_sample_gets_its_next_record(tmp_path: Path) -> None:
    """The record that is committed after the withdrawal is valid, before and after a fold."""
    log = _prepared(tmp_path)
    log.create(_record("c", seed=2))
    assert _rows(log)["c"] == 2
    log.recover()
    log.fold()
    assert _rows(log)["c"] == 2
    assert log.compact().num_rows == 11


def test_a_withdrawn_sample_has_no_status(tmp_path: Path) -> None:
    """The status of a withdrawn record is not taken for that of the attempt that follows."""
    log = RecordLog(LocalFolder(tmp_path))
    log.create(_record("a"))
    log.withdraw(["a"])
    assert log.status_of("a") is None
    log.create(_record("b"))
    log.fold()
    assert (log.status_of("a"), log.status_of("b")) == (None, "ok")
    log.create(_record("a"))
    log.fold()
    assert log.status_of("a") == "ok"


def test_a_second_commit_after_a_fold_changes_nothing(tmp_path: Path) -> None:
    """The first record of a sample stays valid, and recovery deletes the second one."""
    log = _prepared(tmp_path)
    log.create(_record("a", seed=9))
    assert _rows(log)["a"] == 1
    log.recover()
    assert log.small_record("a") is None
    assert _rows(log)["a"] == 1


def test_new_scores_survive_a_copy_that_a_dead_fold_left(tmp_path: Path) -> None:
    """A small record beside its newer row in a base does not come back."""
    log = _prepared(tmp_path)
    table = log.read()
    seeds = table.column_names.index("seed")
    log.rewrite(table.set_column(seeds, "seed", [[5] * table.num_rows]))
    LocalFolder(tmp_path).write("records/new/i.json", _record("i").to_json())
    log.recover()
    log.fold()
    assert set(_rows(log).values()) == {5}


def test_folds_keep_the_number_of_files_low(tmp_path: Path) -> None:
    """Thirty folds of one record each make ten full segments."""
    log = RecordLog(LocalFolder(tmp_path))
    for index in range(30):
        log.create(_record(f"{index:02d}"))
        log.fold()
    assert len(list(LocalFolder(tmp_path).names("records"))) == 10
    assert len(_rows(log)) == 30


def test_a_kept_sample_is_not_folded(tmp_path: Path) -> None:
    """A late attempt finds its small record; the status is known for folded ones too."""
    log = _prepared(tmp_path)
    log.fold(keep={"j"})
    assert log.small_record("j") is not None
    assert log.small_record("i") is None
    assert (log.status_of("i"), log.status_of("j"), log.status_of("nothing")) == ("ok", "ok", None)


def test_columns_can_be_read_alone(tmp_path: Path) -> None:
    """A reader of some columns gets these columns of the same samples."""
    table = _prepared(tmp_path).read(["sample_id", "seed"])
    assert table.column_names == ["sample_id", "seed"]
    assert table.num_rows == 10


def _write(log: RecordLog, names: Iterator[str]) -> None:
    for name in names:
        log.create(_record(name))


def test_readers_never_miss_a_record_while_it_is_folded(tmp_path: Path) -> None:
    """Every record that was committed before a reader began is in what it reads."""
    log = RecordLog(LocalFolder(tmp_path))
    committed: list[str] = []

    def names() -> Iterator[str]:
        for index in range(120):
            yield f"{index:03d}"
            committed.append(f"{index:03d}")

    writer = threading.Thread(target=_write, args=(log, names()))
    with Folding(RecordLog(LocalFolder(tmp_path)), look_every_s=0.001, fold_at=3):
        writer.start()
        while writer.is_alive():
            before = set(committed)
            assert before <= set(_rows(RecordLog(LocalFolder(tmp_path))))
        writer.join()
        deadline = time.monotonic() + 60
        while log.count_small() >= 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert log.count_small() < 3
    assert len(_rows(log)) == 120
