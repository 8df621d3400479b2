"""Edits between two runs: what is kept, generated, superseded, and used again; nothing is generated twice."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.commands.prune import find_prunable, prune_output
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.repair import repair
from t2vbatch.commands.repeats import Repeats
from t2vbatch.commands.run import Result, refuse, run_job
from t2vbatch.commands.score import score_output
from t2vbatch.commands.verify import verify
from t2vbatch.engines import Ending, Engine, engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import Job, load_job
from t2vbatch.models.fake import FakeModel
from t2vbatch.output.store import open_store
from t2vbatch.plan.units import EVERYTHING, Selection

FAKE = "t2vbatch.models.fake:FakeModel"
HUB = "tests.commands.test_edits:HubModel"


class HubModel(FakeModel):
    """A fake whose identity names a commit of a repository that moves, as a Hub model's does."""

    COMMITS: ClassVar[dict[str, str]] = {"main": "aaaa"}

    @classmethod
    def identity(cls, spec: Any) -> Mapping[str, Any]:
        revision = spec.revision or "main"
        return {"weights": {"hub": spec.path, "commit": cls.COMMITS.get(revision, revision)}}


@dataclass
class Edits:
    """A job whose files are edited between its runs."""

    folder: Path
    count: int = 3

    def write(
        self, rows: Sequence[Mapping[str, Any]] | None = None, model: str = "m", **changes: Any
    ) -> "Edits":
        rows = self.rows() if rows is None else rows
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [",".join(columns), *(",".join(str(row.get(one, "")) for one in columns) for row in rows)]
        (self.folder / "rows.csv").write_text("\n".join(lines) + "\n")
        fake = self.fake(**changes.pop("spec", {}))
        job = {"manifest": "rows.csv", "output": "out", "metrics": [], "engine": "inline"}
        (self.folder / "job.yaml").write_text(yaml.safe_dump(job | {"models": {model: fake}} | changes))
        return self

    @staticmethod
    def fake(**spec: Any) -> dict[str, Any]:
        return {"path": "some/repository", "pipeline": FAKE, **spec}

    def rename_manifest(self, name: str) -> None:
        self.write(manifest=name)
        (self.folder / "rows.csv").rename(self.folder / name)

    def link_output(self, name: str) -> None:
        self.write(output=name)
        (self.folder / name).symlink_to(self.folder / "out")

    def run(
        self,
        remake: Callable[[Repeats], bool] = refuse,
        update_models: bool = False,
        selection: Selection = EVERYTHING,
        engine: Callable[[Job], Engine] = engine_for,
    ) -> Result:
        prepared = prepare(load_job(self.folder / "job.yaml"), update_models)
        return run_job(prepared, engine, remake=remake, selection=selection)

    @property
    def out(self) -> str:
        return str(self.folder / "out")

    def rows(self, **changes: Any) -> list[dict[str, Any]]:
        return [{"id": f"r{number}", "prompt": f"r{number}", **changes} for number in range(self.count)]

    def counts(self) -> tuple[int, int]:
        """Records in all, and superseded ones; every one of them with its video."""
        store = open_store(self.out)
        records, found = store.records(), find_prunable(self.out)
        for video in records["video"].to_pylist():
            current, left = self.folder / "out" / video, self.folder / "out" / f"superseded{video[6:]}"
            assert current.exists() != left.exists(), video
        assert [problem for problem in verify(store) if problem] == []
        return records.num_rows, len(found.sample_ids)


@pytest.fixture
def edits(tmp_path: Path) -> Edits:
    """A finished run of three rows."""
    made = Edits(tmp_path).write()
    assert made.run().made == 3
    return made


def test_fewer_samples_come_back(edits: Edits, caplog: pytest.LogCaptureFixture) -> None:
    """After a change from three samples per row to two and back, the third ones come back, with a message."""
    assert edits.write(samples=3).run().made == 6
    assert caplog.messages == []
    assert edits.write(samples=2).run().made == 0
    assert edits.counts() == (9, 3)
    assert edits.write(samples=3).run().made == 0
    assert edits.counts() == (9, 0)
    assert [("superseded" in text, "3 finished" in text) for text in caplog.messages] == [
        (True, True),
        (False, True),
    ]


def test_edits_in_a_row_keep_every_version(edits: Edits) -> None:
    """Two edits of one prompt give three versions of its sample; each comes back without generation."""
    versions = [[{"id": "r0", "prompt": prompt}, *edits.rows()[1:]] for prompt in ("r0", "x", "y")]
    assert [edits.write(rows).run().made for rows in versions] == [0, 1, 1]
    assert edits.counts() == (5, 2)
    for rows in (versions[1], versions[0], versions[2]):
        assert edits.write(rows).run().made == 0
        assert edits.counts() == (5, 2)
        prompts = open_store(edits.out).read_table("results.parquet")["prompt"].to_pylist()
        assert prompts == [row["prompt"] for row in rows]


def test_a_changed_note_is_in_the_tables_without_a_new_video(edits: Edits) -> None:
    """A column that no call reads is not part of a sample."""
    for note in ("n", "m"):
        assert edits.write(edits.rows(note=note)).run().made == 0
        assert open_store(edits.out).read_table("results.parquet")["note"].to_pylist() == [note] * 3


@pytest.mark.parametrize("selection", [Selection(limit=1), Selection(rows=frozenset({"new0"}))])
def test_a_part_of_the_pending_samples_supersedes_no_others(edits: Edits, selection: Selection) -> None:
    """A run of one of two new rows keeps all current videos, and leaves the other row pending."""
    rows = [*edits.rows(), {"id": "new0", "prompt": "x"}, {"id": "new1", "prompt": "y"}]
    found = edits.write(rows).run(selection=selection)
    assert (found.made, found.summary.counts.pending) == (1, 1)
    assert edits.counts() == (4, 0)
    assert edits.run().made == 1


class _Interrupted:
    """An engine that is interrupted before it makes anything."""

    def run(self, units: Any, job: Job, factories: Any, callbacks: Any) -> Ending:
        return "interrupted"


def test_an_interrupt_after_an_edit_loses_nothing(edits: Edits) -> None:
    """After Ctrl-C before the first new video, the superseded videos come back without generation."""
    edits.write(spec={"call": {"num_frames": 4}})
    assert edits.run(engine=lambda job: _Interrupted()).ending == "interrupted"
    assert edits.counts() == (3, 3)
    assert edits.write().run().made == 0
    assert edits.counts() == (3, 0)


def test_a_column_of_whole_numbers_that_becomes_one_of_floats(edits: Edits) -> None:
    """5 and 5.0 are one value, so a new row with 7.5 generates only its own sample."""
    edits.write(edits.rows(fault_seconds=5))
    assert edits.run().made == 3
    edits.write([*edits.rows(fault_seconds=5), {"id": "new", "prompt": "x", "fault_seconds": 7.5}])
    assert edits.run().made == 1


def test_a_moved_revision_is_pinned_until_models_are_updated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new commit of ``main`` changes nothing until an update, which shows change and cost, and asks."""
    edits = Edits(tmp_path, count=11).write(spec={"pipeline": HUB})
    assert edits.run().made == 11
    assert open_store(edits.out).read_job().pins == {"some/repository@main": "aaaa"}
    monkeypatch.setattr(HubModel, "COMMITS", {"main": "bbbb"})
    assert edits.run().made == 0
    with pytest.raises(UsageError, match=r"11 finished samples would be generated again(.|\n)*aaaa -> bbbb"):
        edits.run(update_models=True)
    assert edits.counts() == (11, 0)
    assert edits.run(lambda repeats: repeats.count == 11, update_models=True).made == 11
    assert open_store(edits.out).read_job().pins == {"some/repository@main": "bbbb"}


def test_prune_deletes_what_is_superseded_and_nothing_else(edits: Edits) -> None:
    """prune shows count, bytes and reasons, and deletes superseded samples, which no longer come back."""
    edits.write([{"id": "r0", "prompt": "x"}, *edits.rows()[1:2]])
    edits.run()
    found = find_prunable(edits.out)
    assert (len(found.sample_ids), found.bytes > 0) == (2, True)
    assert set(found.reasons.values()) == {1}
    prune_output(edits.out)
    assert edits.counts() == (2, 0)
    assert list((edits.folder / "out/superseded").rglob("*.mp4")) == []
    assert edits.write().run().made == 2


def test_the_stored_plan_is_enough_for_scores_and_report(edits: Edits) -> None:
    """score and report work when manifest and model no longer exist."""
    (edits.folder / "rows.csv").unlink()
    store = open_store(edits.out)
    text = (edits.folder / "out/job.yaml").read_text().replace(FAKE, "gone.from.here:Model")
    (edits.folder / "out/job.yaml").write_text(text)
    with store.lease() as held:
        assert rebuild(held, held.read_plan(), held.read_job()).counts.ok == 3
    assert score_output(edits.out, {"flicker": {}}, engine_for).scored == 3
    assert store.read_table("results.parquet")["prompt"].to_pylist() == [f"r{n}" for n in range(3)]


def test_a_lost_score_is_computed_again_and_an_undefined_one_is_not(edits: Edits) -> None:
    """A score that an exception lost is computed again; a score that is undefined for its video is not."""
    score_output(edits.out, {"flicker": {}, "motion": {}}, engine_for)
    store = open_store(edits.out)
    records = store.records().to_pylist()
    for record, reason in zip(
        records, ["RuntimeError: out of memory", "one frame has no motion"], strict=False
    ):
        scores = json.loads(record["scores"]) | {"motion": None}
        record |= {"scores": json.dumps(scores), "score_errors": json.dumps({"motion": reason})}
    with store.lease() as held:
        held.rewrite(type(held.records()).from_pylist(records, held.records().schema))
    assert score_output(edits.out, None, engine_for).scored == 1


def test_repair_makes_damaged_videos_again_with_the_same_bytes(edits: Edits) -> None:
    """repair generates damaged videos alone, and reports whether they have the same bytes."""
    videos = sorted((edits.folder / "out/videos").rglob("*.mp4"))
    before = videos[0].read_bytes()
    videos[0].write_bytes(before[:-20])
    videos[1].unlink()
    store = open_store(edits.out)
    problems = [problem for problem in verify(store) if problem]
    found = repair(store, problems, engine_for)
    assert (found.result.made, len(found.result.remade), found.different) == (2, 2, ())
    assert videos[0].read_bytes() == before
    assert edits.counts() == (3, 0)


def test_repair_leaves_alone_what_another_run_repaired(edits: Edits) -> None:
    """A video that another run generated again since it was found missing is not generated once more."""
    next(Path(edits.out, "videos").rglob("*.mp4")).unlink()
    store = open_store(edits.out)
    problems = [problem for problem in verify(store) if problem]
    assert edits.run().made == 1
    assert repair(store, problems, engine_for).result.made == 0


def test_repair_does_not_undo_an_edit_of_another_run(edits: Edits, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends with another job while repair plans its own is not replaced: repair is refused."""
    next(Path(edits.out, "videos").rglob("*.mp4")).unlink()
    store = open_store(edits.out)
    problems = [problem for problem in verify(store) if problem]

    def prepared(job: Job) -> Prepared:
        planned = prepare(job)
        edits.write(samples=2).run()
        return planned

    monkeypatch.setattr("t2vbatch.commands.repair.prepare", prepared)
    with pytest.raises(UsageError, match="another run changed"):
        repair(store, problems, engine_for)
    assert store.read_job().samples == 2


def test_a_lost_video_is_generated_again_and_folders_of_frames_are_found(edits: Edits) -> None:
    """A video may be a folder of frames; a run finds those that are there, and misses one that is not."""
    edits.write(video={"format": "png"}).run()
    assert edits.run().made == 0
    shutil.rmtree(next(one for one in Path(edits.out, "videos/m").iterdir()))
    result = edits.run()
    assert (result.made, list(result.remade.values())) == (1, [True])


def test_frames_in_a_copy_that_kept_both_places_come_back(edits: Edits) -> None:
    """A copy made by rsync without ``--delete`` has the frames in ``videos`` and in ``superseded``."""
    edits.write(video={"format": "png"}).run()
    videos = Path(edits.out, "videos")
    shutil.copytree(videos, edits.folder / "before")
    edits.write(edits.rows()[1:], video={"format": "png"}).run()
    shutil.copytree(edits.folder / "before", videos, dirs_exist_ok=True)
    assert edits.write(video={"format": "png"}).run().made == 0
    assert edits.counts() == (6, 3)


def test_no_empty_folder_is_left_where_frames_were(edits: Edits) -> None:
    """Frames that are superseded, come back or are pruned leave no empty folder behind."""

    def empty() -> list[Path]:
        places = [Path(edits.out, name) for name in ("videos", "superseded")]
        found = [one for place in places for one in place.rglob("*") if one.is_dir()]
        return [one for one in found if not any(one.iterdir())]

    edits.write(video={"format": "png"}).run()
    edits.write(edits.rows(), model="n", video={"format": "png"}).run()
    assert empty() == []
    edits.write(edits.rows(), video={"format": "png"}).run()
    assert empty() == []
    assert prune_output(edits.out).orphans == ()
    assert empty() == []
    assert not Path(edits.out, "superseded").exists()


def test_a_failed_row_that_left_the_plan_is_pruned_without_a_video(tmp_path: Path) -> None:
    """prune deletes the record of a superseded failed sample, which has no video."""
    edits = Edits(tmp_path).write([{"id": "a", "prompt": "x [fault:raise]"}, {"id": "b", "prompt": "y"}])
    edits.run()
    edits.write([{"id": "b", "prompt": "y"}]).run()
    assert find_prunable(edits.out).bytes == 0
    prune_output(edits.out)
    assert len(open_store(edits.out).records()) == 1
