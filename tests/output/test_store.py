"""The store: records are created once and never lost, wherever a process dies."""

import hashlib
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2vbatch.errors import StoreError
from t2vbatch.output.records import RECORDS, Record
from t2vbatch.output.store import Store


def _record(name: str, **changes: object) -> Record:
    fields = {"row_id": name, "model": "m", "sample_index": 0, "seed": 1, "status": "ok", "attempts": 1}
    return Record(sample_id=name, call={"num_frames": 8}, **(fields | changes))  # type: ignore[arg-type]


def _names(store: Store) -> list[str]:
    return list(store.records()["sample_id"].to_pylist())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def test_a_power_cut_leaves_no_record_without_its_video(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video and its folders are on the disk before the record exists, and the record and its folders when
    ``commit`` returns."""
    written: list[str] = []

    def fsync(handle: int) -> None:
        written.append(os.path.relpath(Path(f"/proc/self/fd/{handle}").readlink(), store.uri))
        real(handle)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "a").write_bytes(b"frames")
    record = _record("a", video="videos/m/a.mp4", video_sha256=hashlib.sha256(b"frames").hexdigest())
    store.publish(record, tmp_path / "a")
    assert written == ["..", ".", ".", "videos", "../a", "videos/m"]
    assert store.committed("a") is None
    written.clear()
    store.commit(record)
    assert written[0].startswith(".staging/")
    assert written[1:] == [".", "records", "records/new"]


def test_an_output_that_is_not_there_has_no_records(store: Store) -> None:
    """Reading the records of a missing output gives none, and does not create the folder."""
    assert store.records().num_rows == 0
    assert not Path(store.uri).exists()


def test_files_of_file_managers_are_no_records(store: Store) -> None:
    """What macOS, Windows and rsync leave between the records of an output hides no record and adds none."""
    store.commit(_record("a"))
    store.compact()
    store.commit(_record("b"))
    for folder in ("records", "records/new"):
        for name in (".DS_Store", "._base-000000000001-1", ".b.json.Xk29dF", "Thumbs.db", "desktop.ini"):
            (Path(store.uri) / folder / name).write_bytes(b"x")
    assert _names(store) == ["a", "b"]
    assert store.compact()["sample_id"].to_pylist() == ["a", "b"]


def test_the_first_commit_wins(store: Store) -> None:
    """A second attempt's record changes nothing."""
    assert store.commit(_record("a", seed=1))
    assert not store.commit(_record("a", seed=2))
    assert store.records()["seed"].to_pylist() == [1]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_two_attempts_the_record_is_that_of_the_video(store: Store, tmp_path: Path, order: str) -> None:
    """Of two attempts that publish at once, the record that stays has the video that stays."""
    attempts = {}
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        attempts[name] = _record("s", video="videos/m/s.mp4", video_sha256=digest)
        store.folder.publish("videos/m/s.mp4", tmp_path / name)
    for name in order:
        store.commit(attempts[name])
    assert store.records()["video_sha256"].to_pylist() == [attempts["b"].video_sha256]


def test_a_record_reads_back_as_it_was_written(store: Store) -> None:
    """Scores, nulls, text of any script and times are equal after both forms of a record."""
    record = _record(
        "a",
        prompt="über \U0001f600\n\u2028",
        scores={"clip_score": 25.5, "clip_temporal": None},
        score_errors={"clip_temporal": "one frame"},
        started_at="2026-01-02T03:04:05.123456+00:00",
        versions={"torch": "2"},
    )
    store.commit(record)
    assert store.committed("a") == record
    loose = store.records().to_pylist()
    assert store.compact().to_pylist() == loose == store.records().to_pylist()
    assert loose[0]["scores"] == '{"clip_score": 25.5, "clip_temporal": null}'
    assert loose[0]["started_at"].isoformat() == record.started_at


def test_compaction_leaves_one_file_and_every_record(store: Store) -> None:
    """Repeated compaction with new records in between leaves one file with every record."""
    for round_ in range(3):
        for index in range(4):
            store.commit(_record(f"{round_}-{index}"))
        store.compact()
        assert len(list(store.folder.names("records"))) == 1
    assert len(_names(store)) == 12
    assert store.records().schema == RECORDS


def test_compaction_of_nothing_new_writes_nothing(store: Store) -> None:
    """Compaction without new records changes no file."""
    store.commit(_record("a"))
    store.compact()
    before = [(name, Path(store.uri, name).stat().st_mtime_ns) for name in store.folder.names("records")]
    store.compact()
    assert before == [
        (name, Path(store.uri, name).stat().st_mtime_ns) for name in store.folder.names("records")
    ]


def test_dying_in_the_middle_of_compaction_loses_and_repeats_nothing(store: Store) -> None:
    """Old and new files side by side, as a dead process leaves them, hold each record once."""
    for name in "abc":
        store.commit(_record(name))
    old = {name: store.folder.read(name) for name in store.folder.names("records")}
    store.compact()
    for name, data in list(old.items())[:2]:
        store.folder.write(name, data)
    assert sorted(_names(store)) == ["a", "b", "c"]
    store.compact()
    assert len(list(store.folder.names("records"))) == 1
    assert sorted(_names(store)) == ["a", "b", "c"]


def test_a_late_copy_never_replaces_a_compacted_record(store: Store) -> None:
    """The first commit wins after compaction too."""
    store.commit(_record("a", seed=1))
    store.compact()
    store.commit(_record("a", seed=2))
    assert store.records()["seed"].to_pylist() == [1]


def test_discarded_records_are_gone(store: Store) -> None:
    """Discarded records are gone from both forms, and the others stay."""
    store.commit(_record("a"))
    store.compact()
    store.commit(_record("b"))
    store.commit(_record("c"))
    store.discard(["a", "b", "unknown"])
    assert _names(store) == ["c"]


def test_a_truncated_record_is_named(store: Store) -> None:
    """The message about a truncated record names it and says what to do."""
    store.commit(_record("a"))
    file = Path(store.uri, "records/new/a.json")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(StoreError, match=r"a\.json is damaged(.|\n)*delete it"):
        store.records()


def test_a_damaged_table_is_named(store: Store) -> None:
    """The message about a damaged plan names the file, instead of Arrow's traceback."""
    store.folder.write("plan.parquet", b"PAR1 torn")
    with pytest.raises(StoreError, match=r"plan\.parquet is damaged"):
        store.read_table("plan.parquet")


def test_only_results_look_like_parquet_to_other_tools(store: Store) -> None:
    """No file of the record log has the extension .parquet, so no tool reads it as results."""
    store.commit(_record("a"))
    store.compact()
    assert [name for name in store.folder.names("records") if name.endswith(".parquet")] == []
    name = next(iter(store.folder.names("records")))
    assert pq.read_table(Path(store.uri, name)).num_rows == 1


def test_a_folder_of_frames_replaces_the_one_before(store: Store, tmp_path: Path) -> None:
    """A shorter video leaves none of the longer one's frames behind."""
    for count in (4, 2):
        frames = tmp_path / f"frames{count}"
        frames.mkdir()
        for index in range(count):
            (frames / f"{index:05d}.png").write_bytes(b"x" * count)
        store.publish(_record(str(count), video="videos/m/r-0"), frames)
    assert sorted(store.folder.names("videos")) == ["videos/m/r-0/00000.png", "videos/m/r-0/00001.png"]
    assert store.folder.read("videos/m/r-0/00001.png") == b"xx"


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["records/new/b.json", "records/all-0", "records/y/z"]),
    data=st.binary(max_size=60) | st.just(_record("a").to_json()),
)
def test_an_unknown_file_among_the_records_is_named(store: Store, name: str, data: bytes) -> None:
    """A file that is no record gives a StoreError that calls it damaged, and no record is lost."""
    store.commit(_record("a"))
    store.folder.write(name, data)
    with pytest.raises(StoreError, match="is damaged"):
        store.compact()
    store.folder.delete(name)
    assert _names(store) == ["a"]


def test_records_of_an_earlier_version_are_read(store: Store) -> None:
    """A column that an earlier version did not have is null."""
    store.commit(_record("a"))
    older = store.records().drop_columns(["retry_reason"])
    store.folder.delete("records/new/a.json")
    store.write_table("records/all-0123456789abcdef", older)
    assert store.records()["retry_reason"].to_pylist() == [None]
