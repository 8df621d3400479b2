"""The search for missing videos beside a run that has an object store as its output."""

import hashlib
import threading
from pathlib import Path

import pytest
import yaml

from t2vbatch.commands import video_search
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.status import read_status
from t2vbatch.commands.verify import verify
from t2vbatch.engines import Progress, engine_for
from t2vbatch.errors import StoreError
from t2vbatch.job import load_job
from t2vbatch.output.store import Store, open_store
from t2vbatch.output.superseded import missing_videos


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_search, "_FEW", -1)


def _job(folder: Path, output: str, rows: int) -> Path:
    (folder / "rows.txt").write_text("".join(f"prompt {row}\n" for row in range(rows)), encoding="utf-8")
    model = {"path": str(folder / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.txt", "output": output, "metrics": [], "engine": "inline"}
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(job | {"models": {"fake": model}}), encoding="utf-8")
    return file


def _digests(store: Store) -> dict[str, str]:
    return {
        name: hashlib.sha256(store.folder.read(name)).hexdigest() for name in store.folder.names("videos")
    }


def _lose(store: Store, count: int) -> dict[str, str]:
    """Delete some videos; return the digests of all before."""
    before = _digests(store)
    for name in sorted(before)[:count]:
        store.folder.delete(name)
    return before


def test_missing_videos_follow_the_other_samples(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run starts before the search ends, and generates pending and then missing samples in one command."""
    store = open_store(f"{s3}/beside")
    run_job(prepare(load_job(_job(tmp_path, store.uri, rows=4))), engine_for)
    before = _lose(store, 2)
    generated, waited = threading.Event(), []

    def late(*arguments: object) -> list[str]:
        waited.append(generated.wait(60))
        return missing_videos(*arguments)  # type: ignore[arg-type]

    def watch(progress: Progress) -> None:
        if progress.ok:
            generated.set()

    monkeypatch.setattr(video_search, "missing_videos", late)
    result = run_job(prepare(load_job(_job(tmp_path, store.uri, rows=6))), engine_for, watch)
    assert waited == [True]
    assert (result.made, result.ending, list(result.remade.values())) == (4, "finished", [True, True])
    assert before.items() <= _digests(store).items()
    assert (result.summary.counts.planned, result.summary.counts.ok, read_status(store).ok) == (6, 6, 6)
    assert [problem for problem in verify(store) if problem] == []


def test_a_run_without_pending_samples_generates_missing_videos(tmp_path: Path, s3: str) -> None:
    """If nothing else is pending, the missing video alone is generated."""
    store = open_store(f"{s3}/nothing-else")
    job = _job(tmp_path, store.uri, rows=3)
    run_job(prepare(load_job(job)), engine_for)
    before = _lose(store, 1)
    assert run_job(prepare(load_job(job)), engine_for).made == 1
    assert _digests(store) == before
    assert run_job(prepare(load_job(job)), engine_for).made == 0


def test_a_search_that_fails_ends_the_run(tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run generates its pending samples, writes the tables, and reports that the storage failed."""
    store = open_store(f"{s3}/failing")
    run_job(prepare(load_job(_job(tmp_path, store.uri, rows=2))), engine_for)

    def fail(*arguments: object) -> list[str]:
        raise StoreError("cannot list videos")

    monkeypatch.setattr(video_search, "missing_videos", fail)
    with pytest.raises(StoreError, match="cannot list videos"):
        run_job(prepare(load_job(_job(tmp_path, store.uri, rows=3))), engine_for)
    assert store.read_table("results.parquet").num_rows == 3


def test_an_interrupted_run_ends_its_search(tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends early does not wait until the search has listed every folder."""
    store = open_store(f"{s3}/interrupted")
    run_job(prepare(load_job(_job(tmp_path, store.uri, rows=2))), engine_for)
    _lose(store, 1)

    def endless(store: Store, plan: object, records: object, stop: threading.Event) -> list[str]:
        stop.wait()
        return missing_videos(store, plan, records, stop)  # type: ignore[arg-type]

    monkeypatch.setattr(video_search, "missing_videos", endless)

    class Interrupted:
        def run(self, *arguments: object) -> str:
            return "interrupted"

    prepared = prepare(load_job(_job(tmp_path, store.uri, rows=3)))
    result = run_job(prepared, lambda job: Interrupted())  # type: ignore[arg-type,return-value]
    assert (result.ending, result.made) == ("interrupted", 0)
