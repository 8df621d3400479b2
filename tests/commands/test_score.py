"""Scores added to finished runs, renewed, and resumed after an interruption."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.score import score_output
from t2vbatch.engines import Ending, engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import Job, Model, VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.video import Video
from t2vbatch.models.fake import FakeModel
from t2vbatch.models.protocol import Request
from t2vbatch.worker.protocol import Work
from tests.endpoint import use_this_python

PIXELS: dict[str, dict[str, Any]] = {"flicker": {}, "motion": {}, "motion_flow": {}}


LOUD = """# /// script
# requires-python = ">=3.10"
# dependencies = []
#
# [tool.t2vbatch]
# audio = true
# yields = {loud = "higher"}
# ///
import array, json, sys, wave

for line in sys.stdin:
    with wave.open(json.loads(line)["audio"]) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    print(json.dumps({"loud": sum(map(abs, samples)) / len(samples)}), flush=True)
"""


INPUTS = """
import json, sys
import numpy as np
from PIL import Image

def shade(path):
    return -1 if path is None else int(np.asarray(Image.open(path))[0, 0, 0])

for line in sys.stdin:
    request = json.loads(line)
    first, last, texts = shade(request["image"]), shade(request["last_image"]), request["texts"]
    found = {"first": first, "last": last}
    found["letters"] = len(texts["style"] or "") + len(texts["negative_prompt"] or "")
    found["level"] = texts["level"] if "nowhere" in texts and texts["nowhere"] is None else None
    print(json.dumps(found), flush=True)
"""


CONSTANT = """
import sys
for line in sys.stdin:
    print('{{"loud": {0}}}', flush=True)
"""


class SoundingModel(FakeModel):
    """The fake model with a tone."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        tone = (9000 * np.sin(np.arange(16000) / 10)).astype(np.int16)[None]
        return [replace(video, audio=Audio(tone, 16000)) for video in super().generate(requests)]


def made(
    folder: Path,
    metrics: dict[str, Any],
    faults: Sequence[str] = (),
    pipeline: str = "t2vbatch.models.fake:FakeModel",
) -> str:
    """The output of a small run; the rows in ``faults`` fail."""
    rows = [{"id": name, "prompt": f"a {name} ball"} for name in ("red", "green", *faults)]
    for row in rows[2:]:
        row["prompt"] += " [fault:raise]"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = Job(
        manifest=str(folder / "rows.jsonl"),
        output=str(folder / "out"),
        models={"fake": Model(path="anything", pipeline=pipeline, fps=24000 / 1001)},
        metrics=metrics,
        engine="inline",
        video=VideoFile(),
    )
    return run_job(prepare(job), engine_for).output


def scores(output: str, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of the results, one tuple per sample."""
    table = pq.read_table(Path(output) / "results.parquet").select(list(columns))
    return [tuple(row.values()) for row in table.to_pylist()]


def test_scoring_afterwards_gives_the_runs_own_numbers(tmp_path: Path) -> None:
    """Scores computed in a run and afterwards agree to the last bit, also at a fractional frame rate."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = made(tmp_path / "a", dict(PIXELS)), made(tmp_path / "b", {})
    assert score_output(second, PIXELS, engine_for).scored == 2
    assert scores(first, *PIXELS) == scores(second, *PIXELS)
    assert scores(first, "frames_sha256") == scores(second, "frames_sha256")


def test_a_program_reads_the_sound_in_a_run_and_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program with ``audio = true`` gets the sound as decoded from the file, the same both times."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    program = tmp_path / "loud.py"
    program.write_text(LOUD)
    use_this_python(program, tmp_path / "cache", monkeypatch)
    metric, sounding = {"loud": {"program": str(program)}}, "tests.commands.test_score:SoundingModel"
    first = made(tmp_path / "a", dict(metric), pipeline=sounding)
    second = made(tmp_path / "b", {}, pipeline=sounding)
    score_output(second, metric, engine_for)
    assert scores(first, "loud") == scores(second, "loud")
    assert scores(first, "loud")[0][0] == pytest.approx(9000 * 2 / np.pi, rel=0.1)


def test_only_what_is_missing_is_scored(tmp_path: Path) -> None:
    """A second call scores nothing, a new metric scores all videos, renew scores everything; other scores
    stay.
    """
    output = made(tmp_path, {"flicker": {}})
    before = scores(output, "flicker")
    assert score_output(output, None, engine_for).scored == 0
    assert score_output(output, {"sharpness": {}}, engine_for).scored == 2
    assert score_output(output, {"sharpness": {}}, engine_for).scored == 0
    assert scores(output, "flicker") == before
    assert None not in scores(output, "sharpness")
    assert score_output(output, None, engine_for, renew=True).scored == 2
    assert not (Path(output) / "scores").exists()


def test_a_later_run_keeps_the_added_scores(tmp_path: Path) -> None:
    """The output's job lists the new metrics, so they remain columns of its results."""
    output = made(tmp_path, {})
    score_output(output, {"motion": {}}, engine_for)
    assert "motion" in (Path(output) / "job.yaml").read_text()
    assert "motion" in json.loads((Path(output) / "summary.json").read_text())["models"]["fake"]["scores"]


def test_failed_samples_are_not_scored(tmp_path: Path) -> None:
    """Failed samples stay failed and have no score; the others are scored."""
    output = made(tmp_path, {}, faults=["broken"])
    assert score_output(output, {"motion": {}}, engine_for).scored == 2
    assert [value is None for (value,) in scores(output, "motion")] == [False, False, True]


def test_a_damaged_video_has_no_score(tmp_path: Path) -> None:
    """A damaged video has no score, and score_errors gives the reason."""
    output = made(tmp_path, {})
    (video,) = (Path(output) / "videos/fake").glob("red-*")
    video.write_bytes(b"no video")
    result = score_output(output, {"motion": {}}, engine_for)
    assert (result.scored, result.unscored) == (1, 1)
    (red, why), (green, _) = scores(output, "motion", "score_errors")
    assert red is None
    assert "EncodeError" in json.loads(why)["motion"]
    assert green is not None


class Interrupted:
    """An engine that stops before the last unit."""

    def run(self, units: Any, job: Job, factories: Any, callbacks: Any) -> Ending:
        ((name, found),) = units.items()
        engine_for(job).run({name: found[:-1]}, job, factories, callbacks)
        return "interrupted"


def test_scoring_continues_after_an_interruption(tmp_path: Path) -> None:
    """After an interruption only the missing videos are scored, and all scores enter the results."""
    output = made(tmp_path, {})
    cut = score_output(output, {"motion": {}}, lambda job: Interrupted())
    assert (cut.scored, cut.ending) == (1, "interrupted")
    assert score_output(output, {"motion": {}}, engine_for).scored == 1
    assert None not in [value for (value,) in scores(output, "motion")]


@dataclass
class ReadsOnly:
    """An engine whose worker reads the videos and scores none."""

    held_bytes: list[int] = field(default_factory=list)

    def run(self, units: Any, job: Job, factories: Any, callbacks: Any) -> Ending:
        ((name, found),) = units.items()
        worker = factories[name]("worker", "cpu")
        for key, unit in enumerate(found):
            payloads = tuple(map(callbacks.payload, unit.positions))
            self.held_bytes.append(worker.generate(Work(key, unit.positions, payloads, (1,))))
        return "interrupted"


def test_a_worker_reports_the_frames_that_it_holds(tmp_path: Path) -> None:
    """A worker that has read a video reports the bytes of its frames, so that the scheduler bounds them."""
    engine = ReadsOnly()
    score_output(made(tmp_path, {}), {"motion": {}}, lambda job: engine)
    assert engine.held_bytes == [8 * 64 * 64 * 3] * 2


def test_a_moved_output_is_scored_where_it_is(tmp_path: Path) -> None:
    """A moved output is scored at its new path, whatever path its job contains."""
    output = made(tmp_path, {})
    shutil.move(output, tmp_path / "moved")
    assert score_output(str(tmp_path / "moved"), {"motion": {}}, engine_for).scored == 2
    assert not Path(output).exists()


def test_a_program_reads_the_inputs_of_the_row(tmp_path: Path) -> None:
    """It gets both images and the named cells, null where the row has none, in a run and afterwards."""
    for name, shade in (("red", 10), ("blue", 200)):
        Image.new("RGB", (16, 12), (shade, 0, 0)).save(tmp_path / f"{name}.png")
    rows: list[dict[str, Any]] = [
        {"prompt": "one", "image": "red.png", "last_image": "blue.png", "style": "ink", "level": 2},
        {"prompt": "two", "image": "blue.png", "negative_prompt": "blur"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    yields = dict.fromkeys(("first", "last", "letters", "level"), "none")
    texts = ["style", "negative_prompt", "level", "nowhere"]
    metric = {"command": [sys.executable, "-c", INPUTS], "images": True, "texts": texts, "yields": yields}
    job = Job(
        manifest=str(tmp_path / "rows.jsonl"),
        output=str(tmp_path / "out"),
        models={"fake": Model(path="any", pipeline="t2vbatch.models.fake:FakeModel")},
        metrics={"inputs": metric},
        engine="inline",
    )
    output = run_job(prepare(job), engine_for).output
    expected = [(10, 200, 3, 2), (200, -1, 4, None)]
    assert scores(output, *yields) == expected
    assert score_output(output, None, engine_for, renew=True).scored == 2
    assert scores(output, *yields) == expected


def test_a_folder_without_a_run_is_rejected(tmp_path: Path) -> None:
    """A folder without a run is rejected."""
    with pytest.raises(UsageError, match=r"job\.yaml"):
        score_output(str(tmp_path), None, engine_for)


def test_scores_of_another_scorer_are_outdated(tmp_path: Path) -> None:
    """A mean never mixes two scorers: values of the other one are missing until ``score`` renews them."""
    metrics: dict[str, Any] = {"flicker": {}, "loud": {"command": [sys.executable, "-c", CONSTANT.format(1)]}}
    metrics["loud"]["yields"] = {"loud": "higher"}
    output = made(tmp_path, metrics)
    before = scores(output, "row_id", "flicker", "loud")
    assert [row[2] for row in before] == [1.0, 1.0]
    other = {**metrics, "loud": {**metrics["loud"], "command": [sys.executable, "-c", CONSTANT.format(2)]}}

    made(tmp_path, other, ["blue"])
    mixed = scores(output, "row_id", "flicker", "loud", "score_errors")
    assert [row[:3] for row in mixed[:2]] == [(row[0], row[1], None) for row in before]
    assert all("t2vbatch score" in json.loads(row[3])["loud"] for row in mixed[:2])

    made(tmp_path, metrics)  # The job is put back: its scores are valid again.
    assert scores(output, "row_id", "flicker", "loud") == before

    made(tmp_path, other)
    assert score_output(output, None, engine_for).scored == 2
    assert [row[0] for row in scores(output, "loud")] == [2.0, 2.0]
    assert score_output(output, None, engine_for).scored == 0


def test_a_time_limit_does_not_outdate_scores(tmp_path: Path) -> None:
    """Options that change no value are not part of a scorer."""
    loud = {"command": [sys.executable, "-c", CONSTANT.format(1)], "yields": {"loud": "higher"}}
    output = made(tmp_path, {"loud": loud})
    made(tmp_path, {"loud": {**loud, "timeout_s": 50.0}})
    assert scores(output, "loud") == [(1.0,), (1.0,)]
