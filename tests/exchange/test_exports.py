"""Layouts of other tools are complete, or refused."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.errors import UsageError
from t2vbatch.exchange import export, import_scores
from t2vbatch.job import VideoFile
from t2vbatch.media.video import Video, decode, digest_file, encode
from t2vbatch.output.record_table import to_table
from t2vbatch.output.records import Record, results_schema
from t2vbatch.plan import PLAN
from t2vbatch.storage.files import open_folder

PROMPTS = ["a red ball.", "A red ball.", "cafe\u0301 in Paris"]


def output(folder: Path, samples: int = 5) -> tuple[pa.Table, pa.Table]:
    """Plan and results of PROMPTS by one model, with a video file for each sample."""
    rows: list[dict[str, Any]] = []
    for number, prompt in enumerate(PROMPTS):
        for index in range(samples):
            video = f"videos/m/r{number}-{index}.mp4"
            path = folder / video
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = np.full((2, 16, 16, 3), 20 * number + 3 * index, np.uint8)
            encode(Video(shade, 8), path, VideoFile())
            sha256, _ = digest_file(path)
            row: dict[str, Any] = {
                "sample_id": f"{number}-{index}",
                "row_id": f"r{number}",
                "model": "m",
                "video": video,
            }
            row |= {"sample_index": index, "prompt": prompt, "status": "ok", "video_sha256": sha256}
            rows.append(row)
    plan = [{name: row.get(name) for name in PLAN.names} for row in rows]
    schema = results_schema(["clip_score"], pa.schema([]))
    return pa.Table.from_pylist(plan, PLAN), pa.Table.from_pylist(rows, schema)


def test_vbench_gets_prompts_to_the_letter(tmp_path: Path) -> None:
    """Names are prompt, dash, index, in NFC, a trailing dot kept, and nothing else is in the folder."""
    plan, results = output(tmp_path / "out")
    assert export(open_folder(tmp_path / "out"), plan, results, "vbench", tmp_path / "vbench") == 15
    names = {path.name for path in (tmp_path / "vbench").iterdir()}
    expected = ["a red ball.", "A red ball.", "caf\u00e9 in Paris"]
    assert names == {f"{prompt}-{index}.mp4" for prompt in expected for index in range(5)}


def test_a_missing_video_is_found_before_anything_is_written(tmp_path: Path) -> None:
    """A sample that failed, or was never made, stops the export unless it is called partial."""
    plan, results = output(tmp_path / "out")
    folder, target = open_folder(tmp_path / "out"), tmp_path / "vbench"
    with pytest.raises(UsageError, match=r"1 of 15 videos.*r2-4"):
        export(folder, plan, results.slice(0, 14), "vbench", target)
    assert not target.exists()
    assert export(folder, plan, results.slice(0, 14), "vbench", target, partial=True) == 14


def test_vbench_wants_five_videos_a_prompt(tmp_path: Path) -> None:
    """Another number of samples gives another score, so it is refused."""
    plan, results = output(tmp_path / "out", samples=2)
    with pytest.raises(UsageError, match="2 videos per prompt"):
        export(open_folder(tmp_path / "out"), plan, results, "vbench", tmp_path / "vbench")


def with_dimensions(results: pa.Table, dimension: str) -> pa.Table:
    """The results with the manifest's column ``dimension``."""
    return results.append_column("dimension", pa.array([dimension] * results.num_rows))


@pytest.mark.parametrize(
    ("layout", "dimension", "samples", "expected"),
    [
        ("vbench", "color", 25, "5"),
        ("vbench", "temporal_flickering", 5, "25"),
        ("vbench2", "Mechanics", 5, "3"),
        ("vbench2", "Diversity", 3, "20"),
        ("vbench-i2v", "camera_motion", 25, "5"),
    ],
)
def test_each_dimension_has_its_number_of_videos(
    tmp_path: Path, layout: str, dimension: str, samples: int, expected: str
) -> None:
    """The number of videos per prompt follows the prompt's dimension and the benchmark's package."""
    plan, results = output(tmp_path / "out", samples=samples)
    folder = open_folder(tmp_path / "out")
    with pytest.raises(UsageError, match=f"{samples} videos per prompt.*\n.*expected: {expected}"):
        export(folder, plan, with_dimensions(results, dimension), layout, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_vbench_2_takes_three_videos_and_short_names(tmp_path: Path) -> None:
    """VBench-2.0 finds videos by the first 180 characters of the prompt, three of each."""
    plan, results = output(tmp_path / "out", samples=3)
    long = "a red ball that rolls " * 20
    at = results.column_names.index("prompt")
    prompts = [long if text == PROMPTS[0] else text for text in results["prompt"].to_pylist()]
    results = with_dimensions(results.set_column(at, "prompt", pa.array(prompts)), "Mechanics")
    assert export(open_folder(tmp_path / "out"), plan, results, "vbench2", tmp_path / "v") == 9
    assert (tmp_path / "v" / f"{long[:180]}-2.mp4").exists()


def test_vbench_long_takes_videos_of_five_seconds(tmp_path: Path) -> None:
    """A shorter video is rejected by the layout vbench-long."""
    plan, results = output(tmp_path / "out")
    at = results.column_names.index("duration_s")
    with pytest.raises(UsageError, match="15 videos shorter than 5 s"):
        export(open_folder(tmp_path / "out"), plan, results, "vbench-long", tmp_path / "a")
    long = results.set_column(at, "duration_s", pa.array([5.0] * 15))
    assert export(open_folder(tmp_path / "out"), plan, long, "vbench-long", tmp_path / "b") == 15


@pytest.mark.parametrize("layout", ["vbench", "hf", "webdataset"])
def test_a_lost_file_is_found_before_anything_is_written(tmp_path: Path, layout: str) -> None:
    """A video whose file does not exist is one message, and the target is not created."""
    plan, results = output(tmp_path / "out")
    (tmp_path / "out/videos/m/r1-3.mp4").unlink()
    with pytest.raises(UsageError, match=r"1 missing file of ok videos: videos/m/r1-3\.mp4"):
        export(open_folder(tmp_path / "out"), plan, results, layout, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_the_same_video_twice_is_refused(tmp_path: Path) -> None:
    """Two seeds that gave equal videos are refused."""
    plan, results = output(tmp_path / "out")
    column = results["video_sha256"].to_pylist()
    column[1] = column[0]
    at = results.column_names.index("video_sha256")
    results = results.set_column(at, "video_sha256", pa.array(column))
    with pytest.raises(UsageError, match=r"r0-0\.mp4 = videos/m/r0-1\.mp4"):
        export(open_folder(tmp_path / "out"), plan, results, "hf", tmp_path / "hf")


@pytest.mark.parametrize("prompt", ["x" * 300, "a/b", "A red ball.", "a\0b"])
def test_prompts_that_make_no_file_names_are_refused(tmp_path: Path, prompt: str) -> None:
    """Prompts that are too long, contain a slash or give equal names are refused before the first copy."""
    plan, results = output(tmp_path / "out")
    column = [prompt if text == PROMPTS[0] else text for text in results["prompt"].to_pylist()]
    at = results.column_names.index("prompt")
    with pytest.raises(UsageError, match="the export"):
        export(
            open_folder(tmp_path / "out"),
            plan,
            results.set_column(at, "prompt", pa.array(column)),
            "vbench",
            tmp_path / "vbench",
        )
    assert not list((tmp_path / "vbench").glob("*"))


def test_a_hugging_face_folder_names_every_file(tmp_path: Path) -> None:
    """metadata.parquet has the file_name of every video, relative to the folder."""
    plan, results = output(tmp_path / "out")
    export(open_folder(tmp_path / "out"), plan, results, "hf", tmp_path / "hf")
    names = pq.read_table(tmp_path / "hf/metadata.parquet")["file_name"].to_pylist()
    assert len(names) == 15
    assert all((tmp_path / "hf" / name).is_file() for name in names)


def test_webdataset_shards_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Each sample is a video and its JSON under one key; nothing in the tar depends on when it was made."""
    plan, results = output(tmp_path / "out")
    for name in ("a", "b"):
        export(open_folder(tmp_path / "out"), plan, results, "webdataset", tmp_path / name)
    (first, second) = ((tmp_path / name / "000000.tar").read_bytes() for name in ("a", "b"))
    assert first == second
    with tarfile.open(tmp_path / "a" / "000000.tar") as tar:
        assert tar.getnames()[:2] == ["0-0.json", "0-0.mp4"]


@pytest.mark.parametrize("extra", [["file_name"], ["file_name", "manifest_file_name"], ["manifest_prompt"]])
def test_no_table_has_two_columns_of_one_name(tmp_path: Path, extra: list[str]) -> None:
    """A manifest's column with one of our names keeps its values under another name."""
    plan, results = output(tmp_path / "out", samples=1)
    for name in extra:
        results = results.append_column(name, pa.array([name, "y", "z"]))
    target = tmp_path / "hf"
    export(open_folder(tmp_path / "out"), plan, results, "hf", target, partial=True)
    metadata = pq.read_table(target / "metadata.parquet")
    assert len(set(metadata.column_names)) == len(metadata.column_names)
    assert all((target / name).exists() for name in metadata["file_name"].to_pylist())
    kept = metadata.column_names[-len(extra) :]
    assert [metadata[name][0].as_py() for name in kept] == extra


def test_json_of_any_column_is_json(tmp_path: Path) -> None:
    """NaN and infinity are null, bytes are base64, and times are ISO 8601, also inside lists."""
    plan, results = output(tmp_path / "out", samples=1)
    cells: list[dict[str, Any]] = [
        {"x": float("nan"), "b": b"\x89PNG", "l": [float("inf"), 1.0], "t": datetime(2026, 1, 2, tzinfo=UTC)},
        *({"x": 1.5, "b": None, "l": None, "t": None},) * 2,
    ]
    for name in cells[0]:
        results = results.append_column(name, pa.array([row[name] for row in cells]))
    export(open_folder(tmp_path / "out"), plan, results, "webdataset", tmp_path / "wds", partial=True)
    with tarfile.open(tmp_path / "wds" / "000000.tar") as tar:
        file = tar.extractfile("0-0.json")
        assert file is not None
        found = json.loads(file.read(), parse_constant=pytest.fail)
    assert (found["x"], found["b"], found["l"]) == (None, "iVBORw==", [None, 1.0])
    assert found["t"] == "2026-01-02T00:00:00+00:00"


def test_an_export_into_a_file_is_refused(tmp_path: Path) -> None:
    """A target that is a file is refused."""
    plan, results = output(tmp_path / "out", samples=1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="a file"):
        export(open_folder(tmp_path / "out"), plan, results, "hf", tmp_path / "file", partial=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_evalcrafter_gets_the_first_video_of_each_row(tmp_path: Path) -> None:
    """Names are the benchmark's own ids."""
    plan, results = output(tmp_path / "out")
    assert export(open_folder(tmp_path / "out"), plan, results, "evalcrafter", tmp_path / "e") == 3
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"r0.mp4", "r1.mp4", "r2.mp4"}


def records() -> pa.Table:
    """Two finished samples of one prompt."""
    return to_table(
        Record(
            sample_id=f"s{index}", row_id="r", model="m", sample_index=index, seed=index, status="ok",
            attempts=1, call={}, prompt="a red ball.", scores={"clip_score": 30.0},
        )
        for index in range(2)
    )  # fmt: skip


PLANNED = records().select(["sample_id", "row_id", "model", "sample_index"])
"""The plan of these samples."""


def test_scores_of_vbench_become_columns(tmp_path: Path) -> None:
    """Each dimension is a score of the video that has its name; what was there stays."""
    entries = [
        {"video_path": f"/x/a red ball.-{index}.mp4", "video_results": 0.5 + index / 4} for index in range(2)
    ]
    (tmp_path / "results.json").write_text(json.dumps({"color": [0.625, entries]}))
    found = import_scores(records(), PLANNED, tmp_path / "results.json")
    table, taken = found.records, found.taken
    assert taken == 2
    assert [json.loads(scores) for scores in table["scores"].to_pylist()] == [
        {"clip_score": 30.0, "vbench_color": 0.5},
        {"clip_score": 30.0, "vbench_color": 0.75},
    ]


def test_scores_that_disagree_with_earlier_ones_are_counted(tmp_path: Path) -> None:
    """Importing the same scores again replaces nothing; other values are counted."""
    entries = [{"video_path": f"/x/a red ball.-{index}.mp4", "video_results": 0.5} for index in range(2)]
    (tmp_path / "results.json").write_text(json.dumps({"color": [0.5, entries]}))
    once = import_scores(records(), PLANNED, tmp_path / "results.json")
    again = import_scores(once.records, PLANNED, tmp_path / "results.json")
    entries[1]["video_results"] = 0.75
    (tmp_path / "results.json").write_text(json.dumps({"color": [0.5, entries]}))
    other = import_scores(once.records, PLANNED, tmp_path / "results.json")
    assert (once.replaced, again.replaced, other.replaced, other.taken) == (0, 0, 1, 2)


def vbench_file(folder: Path, *values: float) -> Path:
    """VBench's result with these scores of the video ``a red ball.-0``."""
    entries = [{"video_path": "/x/a red ball.-0.mp4", "video_results": value} for value in values]
    (folder / "results.json").write_text(json.dumps({"color": [0.5, entries]}))
    return folder / "results.json"


def test_scores_are_those_of_planned_samples(tmp_path: Path) -> None:
    """A superseded sample with the prompt and index of a planned one gets no score; a renamed model does."""
    plan = pa.Table.from_pylist([{"sample_id": "s1", "row_id": "r", "model": "renamed", "sample_index": 0}])
    found = import_scores(records(), plan, vbench_file(tmp_path, 0.5), "renamed")
    assert found.taken == 1
    assert [json.loads(scores).get("vbench_color") for scores in found.records["scores"].to_pylist()] == [
        None,
        0.5,
    ]


def test_a_score_without_one_video_is_refused(tmp_path: Path) -> None:
    """A name of two videos, or two values for one video, are errors; equal values count once."""
    same = PLANNED.set_column(3, "sample_index", pa.array([0, 0]))
    with pytest.raises(UsageError, match="the name of two videos"):
        import_scores(records(), same, vbench_file(tmp_path, 0.5))
    with pytest.raises(UsageError, match=r"color of 0.5 and of 0.25 for 'a red ball.-0'"):
        import_scores(records(), PLANNED, vbench_file(tmp_path, 0.5, 0.25))
    assert import_scores(records(), PLANNED, vbench_file(tmp_path, 0.5, 0.5)).taken == 1


def test_imaging_quality_from_0_to_1_is_not_divided(tmp_path: Path) -> None:
    """Scores of a file whose scores were divided by 100 before stay as they are."""
    entries = [{"video_path": f"/x/a red ball.-{index}.mp4", "video_results": 0.715} for index in range(2)]
    (tmp_path / "results.json").write_text(json.dumps({"imaging_quality": [0.715, entries]}))
    table = import_scores(records(), PLANNED, tmp_path / "results.json").records
    assert json.loads(table["scores"][0].as_py())["vbench_imaging_quality"] == 0.715


def test_imaging_quality_is_imported_on_vbenchs_scale(tmp_path: Path) -> None:
    """VBench writes imaging quality from 0 to 100 for videos, and averages it from 0 to 1."""
    entries = [{"video_path": f"/x/a red ball.-{index}.mp4", "video_results": 71.5} for index in range(2)]
    (tmp_path / "results.json").write_text(json.dumps({"imaging_quality": [0.715, entries]}))
    table = import_scores(records(), PLANNED, tmp_path / "results.json").records
    assert [json.loads(scores)["vbench_imaging_quality"] for scores in table["scores"].to_pylist()] == [
        pytest.approx(0.715)
    ] * 2


def test_scores_of_long_prompts_find_their_videos(tmp_path: Path) -> None:
    """VBench-2.0's names, cut after 180 characters of the prompt, are matched with the videos."""
    prompt = "a red ball that rolls " * 20
    at = records().column_names.index("prompt")
    long = records().set_column(at, "prompt", pa.array([prompt] * 2))
    entries = [{"video_path": f"/x/{prompt[:180]}-{index}.mp4", "video_results": index} for index in range(2)]
    (tmp_path / "results.json").write_text(json.dumps({"Mechanics": [0.5, entries]}))
    assert import_scores(long, PLANNED, tmp_path / "results.json").taken == 2


def test_rewritten_prompts_have_the_names_of_the_benchmark(tmp_path: Path) -> None:
    """The column ``prompt_en`` names exported videos, and finds their scores."""
    plan, results = output(tmp_path / "out", samples=5)
    own = pa.array([f"original of {text}" for text in results["prompt"].to_pylist()])
    folder = open_folder(tmp_path / "out")
    export(folder, plan, results.append_column("prompt_en", own), "vbench", tmp_path / "vbench")
    assert (tmp_path / "vbench" / "original of a red ball.-4.mp4").exists()
    entries = [{"video_path": "/x/original-1.mp4", "video_results": 0.5}]
    (tmp_path / "results.json").write_text(json.dumps({"color": [0.5, entries]}))
    assert import_scores(records(), PLANNED, tmp_path / "results.json", None, {"r": "original"}).taken == 1


def test_scores_of_vbench_long_are_those_of_whole_videos(tmp_path: Path) -> None:
    """VBench-Long lists clips, then videos, and may end with a count; the scores of videos are imported."""
    clips = [{"video_path": "/x/a red ball.-0_000.mp4", "video_results": 0.1}]
    videos = [{"video_path": "/x/a red ball.-0.mp4", "video_results": 0.4}, {"long_video_cnt": 1}]
    fused = [{"video_path": "/x/a red ball.-0.mp4", "inclip_score": 1.0, "video_results": 0.7}]
    content = {"temporal_flickering": [0.4, clips, videos], "subject_consistency": [0.7, fused]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    found = import_scores(records(), PLANNED, tmp_path / "results.json")
    table, taken = found.records, found.taken
    assert taken == 2
    assert json.loads(table["scores"][0].as_py()) == {
        "clip_score": 30.0,
        "vbench_temporal_flickering": 0.4,
        "vbench_subject_consistency": 0.7,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"color": [1.0, [{"video_path": "other-0.mp4", "video_results": 1}]]}, "another run"),
        ({"color": 1.0}, "not a VBench result"),
        ({"color": [1.0]}, "not a VBench result"),
        ({"color": [71.5, [{"video_path": "a red ball.-0.mp4", "video_results": 71.5}]]}, "color of 71.5"),
        ([], "not a VBench result"),
    ],
)
def test_scores_of_something_else_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    """Scores of videos of another run, and files of another form, are refused."""
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=message):
        import_scores(records(), PLANNED, tmp_path / "results.json")


@pytest.mark.parametrize("layout", ["vbench", "evalcrafter", "hf", "webdataset"])
def test_folders_of_frames_become_files(tmp_path: Path, layout: str) -> None:
    """Every layout has an mp4 with all frames, at the rate that the run had, under the name that it lists."""
    frames = np.full((3, 16, 16, 3), 90, np.uint8)
    encode(Video(frames, 24), tmp_path / "out/videos/m/r 1.5-0", VideoFile(format="png"))
    row = {"sample_id": "s", "row_id": "r", "model": "m", "video": "videos/m/r 1.5-0", "sample_index": 0}
    row |= {"prompt": "a ball", "status": "ok", "fps": 24.0, "video_sha256": "x"}
    plan = pa.Table.from_pylist([{name: row.get(name) for name in PLAN.names}], PLAN)
    results = pa.Table.from_pylist([row], results_schema([], pa.schema([])))
    target = tmp_path / layout
    assert export(open_folder(tmp_path / "out"), plan, results, layout, target, partial=True) == 1
    if layout == "webdataset":
        with tarfile.open(target / "000000.tar") as tar:
            tar.extractall(target, filter="data")
    (file,) = target.rglob("*.mp4")
    video = decode(file)
    assert (len(video.frames), video.fps) == (3, 24)
    if layout == "hf":
        assert pq.read_table(target / "metadata.parquet")["file_name"].to_pylist() == ["videos/m/r 1.5-0.mp4"]
