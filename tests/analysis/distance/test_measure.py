"""Distances of a real run: the numbers, what stands beside them, and when they are measured again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoImageProcessor, AutoModel

from t2vbatch.analysis.distance.result import Measured
from t2vbatch.analysis.summary_text import distance_notes, render_text
from t2vbatch.commands.distance import measure_output
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import Ending, Engine, engine_for
from t2vbatch.errors import MetricError, RunError, UsageError
from t2vbatch.job import Distance, Job, parse_job
from t2vbatch.media.frames import sampled
from t2vbatch.media.video import decode
from t2vbatch.output.store import open_store
from tests.analysis.distance.conftest import FRAMES, I3d, exported
from tests.analysis.distance.test_frechet import by_schur, by_singular_values

Array = np.ndarray[Any, np.dtype[np.float64]]


def asked(reference: Path, backbone: Path, **changes: Any) -> dict[str, Distance]:
    """An FVD of four frames, or what the changes make of it."""
    keys: dict[str, Any] = {"kind": "fvd", "frames": FRAMES, "allow_pickle": True} | changes
    return {"d": Distance(reference=str(reference), backbone=str(backbone), **keys)}


def measured(output: Path, distances: dict[str, Distance], **options: Any) -> dict[str, Measured]:
    """Model: its distance."""
    models = measure_output(str(output), distances, engine_for, **options).summary.models
    return {model.model: model.distances[-1] for model in models}


def films(output: Path, model: str) -> list[Path]:
    """A model's videos with status ok."""
    results = pq.read_table(output / "results.parquet").to_pylist()
    return [output / row["video"] for row in results if row["model"] == model and row["status"] == "ok"]


def in_folder(reference: Path) -> list[Path]:
    """The reference's videos."""
    return [path for path in reference.rglob("??.*") if path.suffix in {".mp4", ".png"}]


def by_i3d(path: Path, backbone: Path) -> Array:
    """What StyleGAN-V's code does with its export: uint8 (1, 3, T, H, W), all switches on."""
    frames = np.moveaxis(decode(path).frames[:FRAMES], -1, 0)[None]
    module = torch.jit.load(backbone)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = module(torch.tensor(frames.copy()), rescale=True, resize=True, return_features=True)
    return np.asarray(found.double().numpy())


def by_inception(path: Path, backbone: Path) -> Array:
    """What StyleGAN2-ADA's code does with its export: uint8 (N, 3, H, W), features asked for."""
    frames = np.moveaxis(sampled(decode(path).frames, FRAMES), -1, 1)
    module = torch.jit.load(backbone)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return np.asarray(module(torch.tensor(frames.copy()), return_features=True).double().numpy())


def by_videomae(path: Path, backbone: Path) -> Array:
    """transformers' own way: processor, model, mean over tokens."""
    processor = AutoImageProcessor.from_pretrained(backbone, backend="pil")
    pixels = processor(list(decode(path).frames[:FRAMES]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(backbone)(pixel_values=pixels).last_hidden_state
    return np.asarray(tokens.mean(dim=1).double().numpy())


def by_timesformer(path: Path, backbone: Path) -> Array:
    """transformers' own way: processor, model, class token."""
    processor = AutoImageProcessor.from_pretrained(backbone, backend="pil")
    pixels = processor(list(decode(path).frames[:FRAMES]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(backbone)(pixel_values=pixels).last_hidden_state
    return np.asarray(tokens[:, 0].double().numpy())


def by_dinov2(path: Path, backbone: Path) -> Array:
    """transformers' own way: processor, model, class token of the last layer, not normalised."""
    processor = AutoImageProcessor.from_pretrained(backbone, backend="pil")
    pixels = processor(list(sampled(decode(path).frames, FRAMES)), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(backbone)(pixel_values=pixels).last_hidden_state
    return np.asarray(tokens[:, 0].double().numpy())


@pytest.mark.parametrize(
    ("kind", "name", "look", "distance"),
    [
        ("fvd", "i3d.pt", by_i3d, by_schur),
        ("fvd", "videomae", by_videomae, by_singular_values),
        ("fvd", "timesformer", by_timesformer, by_singular_values),
        ("fid", "inception.pt", by_inception, by_schur),
        ("fid", "dinov2", by_dinov2, by_singular_values),
    ],
)
def test_a_distance_is_what_the_fields_own_way_gives(
    output: Path,
    reference: Path,
    backbones: Path,
    kind: str,
    name: str,
    look: Callable[[Path, Path], Array],
    distance: Callable[[Array, Array], float],
) -> None:
    """From the decoded files of the ok samples, by each kind of backbone, as computed without it."""
    found = measured(output, asked(reference, backbones / name, kind=kind))
    real = np.concatenate([look(path, backbones / name) for path in in_folder(reference)])
    for model in ("a", "b"):
        fake = np.concatenate([look(path, backbones / name) for path in films(output, model)])
        assert found[model].value == pytest.approx(distance(fake, real), rel=1e-4)
        assert (found[model].videos, found[model].features) == (9, len(fake))
    assert found["a"].value != found["b"].value


def test_the_number_has_beside_it_what_it_takes_to_read_it(
    output: Path, reference: Path, backbones: Path
) -> None:
    """Sizes of both sets, backbone, frames, warning and extrapolation, in JSON, text and report."""
    result = measure_output(str(output), asked(reference, backbones / "i3d.pt"), engine_for)
    one = json.loads((output / "summary.json").read_text())["models"]["a"]["distances"]["d"]
    assert one["value"] > 0
    assert one["extrapolated"] < one["value"]
    assert (one["videos"], one["reference_videos"], one["dims"], one["frames"]) == (9, 14, 3, FRAMES)
    assert one["convention"] == "first 4 frames, resized by the backbone alone"
    text, page = render_text(result.summary), (output / "report/index.html").read_text()
    for shown in (text, page):
        assert f"{one['value']:.4g}" in shown
        assert f"{one['extrapolated']:.4g}" in shown
        assert "9 videos, under 2,048" in shown
        assert "the reference has only 14 videos" in shown
        assert f"{backbones / 'i3d.pt'} (weights {one['backbone_sha256'][:12]})" in shown


def test_too_few_videos_for_the_features_are_said(output: Path, reference: Path, backbones: Path) -> None:
    """Under 3 videos a feature there is no extrapolation and its reason; under 1, it is singular."""
    one = measured(output, asked(reference, backbones / "videomae"))["a"]
    assert one.extrapolated is None
    assert any("takes 96 videos" in note for note in one.notes)
    assert any("9 vectors cannot span 32 features" in note for note in one.notes)


def nobody(job: Job) -> Engine:
    """An engine that must not be made."""
    raise AssertionError("a video is looked at again")


def test_a_run_measures_its_jobs_distances_and_the_next_one_finds_them(
    output: Path, reference: Path, backbones: Path
) -> None:
    """The key distances is part of the run; nothing changed, so nothing is looked at again."""
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    job = job.model_copy(
        update={"output": str(output), "distances": asked(reference, backbones / "i3d.pt")},
    )
    first = run_job(prepare(job), engine_for).summary
    assert run_job(prepare(job), nobody).summary == first
    assert first.models[0].distances[0].value is not None
    assert list((output / "features").rglob("*.npy")) == []


def test_a_distance_of_other_videos_is_shown_no_more(output: Path, reference: Path, backbones: Path) -> None:
    """With a video fewer the number is of a set that is no more; asked again, it is measured again."""
    question = asked(reference, backbones / "i3d.pt")
    before = measured(output, question)
    fewer = output.parent / "rows.jsonl"
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    lines = Path(job.manifest).read_text().splitlines(keepends=True)
    fewer.write_text("".join(lines[1:]))
    job = job.model_copy(update={"output": str(output), "manifest": str(fewer)})
    assert run_job(prepare(job), engine_for).summary.models[0].distances == ()
    after = measured(output, question)
    assert after["a"].videos == 8
    assert after["a"].value != before["a"].value


class Interrupted:
    """An engine that is stopped before the last five units."""

    def run(self, units: Any, job: Job, factories: Any, ledger: Any) -> Ending:
        ((name, found),) = units.items()
        engine_for(job).run({name: found[:-5]}, job, factories, ledger)
        return "interrupted"


class Counting:
    """An engine that says how much it was given."""

    def __init__(self) -> None:
        self.units = 0

    def run(self, units: Any, job: Job, factories: Any, ledger: Any) -> Ending:
        self.units += sum(len(found) for found in units.values())
        return engine_for(job).run(units, job, factories, ledger)


def test_measuring_goes_on_where_it_was_cut_off(
    output: Path, made: Path, reference: Path, backbones: Path, tmp_path: Path
) -> None:
    """What was looked at is kept, what was not is looked at, and the number is that of an undisturbed one."""
    question = asked(reference, backbones / "i3d.pt")
    cut = measure_output(str(output), question, lambda job: Interrupted())
    assert cut.ending == "interrupted"
    assert cut.summary.models[0].distances == ()
    counting = Counting()
    whole = measure_output(str(output), question, lambda job: counting).summary.models[0].distances
    assert counting.units == 5
    undisturbed = shutil.copytree(made, tmp_path / "undisturbed")
    assert whole == measure_output(str(undisturbed), question, engine_for).summary.models[0].distances


def test_a_worker_of_ray_gives_the_same_bits(
    output: Path, made: Path, reference: Path, backbones: Path
) -> None:
    """In a process of its own, or in this one: the same number to the last digit."""
    question = asked(reference, backbones / "videomae")
    inline = measured(output, question)
    other = Path(shutil.copytree(made, output.parent / "ray"))
    text = (other / "job.yaml").read_text().replace("engine: inline", "engine: ray")
    (other / "job.yaml").write_text(text.replace("count: auto", "count: 1"))
    assert measured(other, question) == inline


def test_a_short_video_is_left_out_and_counted(output: Path, reference: Path, backbones: Path) -> None:
    """Model b's videos have six frames: of eight there is none, and for both models of the reference none."""
    found = measured(output, asked(output / "videos/a", backbones / "i3d.pt", frames=8))
    assert found["a"].value == pytest.approx(0, abs=1e-9)
    assert found["b"].value is None
    assert found["b"].left_out == {"shorter than 8 frames": 9}
    assert found["b"].reason == "no two videos; 9 of its videos left out: shorter than 8 frames"
    with pytest.raises(RunError, match="14 of the reference's videos left out: shorter than 8 frames"):
        measured(output, asked(reference, backbones / "i3d.pt", frames=8))


def test_a_video_that_cannot_be_read_is_left_out(output: Path, reference: Path, backbones: Path) -> None:
    """A damaged file costs itself; it is told, and that fewer videos of one model make its number larger."""
    damaged = shutil.copytree(reference, output.parent / "reference")
    (damaged / "00.mp4").write_bytes(b"no video")
    (films(output, "a")[0] / "00001.png").write_bytes(b"no picture")
    summary = measure_output(str(output), asked(damaged, backbones / "i3d.pt"), engine_for).summary
    one = summary.models[0].distances[0]
    assert (one.videos, one.left_out, one.reference_videos) == (8, {"cannot be read": 1}, 13)
    notes = distance_notes(summary)
    assert "d: 1 of its videos left out: cannot be read (a)" in notes
    assert "d: 1 of the reference's videos left out: cannot be read (a, b)" in notes
    assert any("differ in how many videos" in note for note in notes)


def test_a_stride_and_a_size_are_another_distance(output: Path, reference: Path, backbones: Path) -> None:
    """Every second frame of three, as squares of 16 pixels, by the documented rule."""
    question = asked(reference, backbones / "i3d.pt", frames=3, stride=2, size=16)
    one = measured(output, question)["a"]
    assert one.convention == "first 3 frames, 1 of 2, resized to 16x16"
    assert one.value != measured(output, asked(reference, backbones / "i3d.pt", frames=3))["a"].value


def test_saved_statistics_stand_for_the_reference(output: Path, reference: Path, backbones: Path) -> None:
    """They give the number that the folder gave, to the last bit, and no video of it is looked at."""
    file = output.parent / "reference.npz"
    before = measured(output, asked(reference, backbones / "i3d.pt"), save=str(file))
    (output / "distances.json").unlink()
    counting = Counting()
    result = measure_output(str(output), asked(file, backbones / "i3d.pt"), lambda job: counting)
    assert counting.units == 18
    assert result.summary.models[0].distances[0].value == before["a"].value
    assert result.summary.models[0].distances[0].reference_videos == 14


def test_saved_statistics_of_something_else_are_refused(
    output: Path, reference: Path, backbones: Path, tmp_path: Path
) -> None:
    """Other weights, other frames or another kind give features that cannot be compared."""
    file = output.parent / "reference.npz"
    measured(output, asked(reference, backbones / "i3d.pt"), save=str(file))
    with pytest.raises(MetricError, match=r"statistics are of frames 4\n.*expected: frames 3"):
        measured(output, asked(file, backbones / "i3d.pt", frames=3))
    other = exported(I3d().double(), tmp_path / "other.pt")
    with pytest.raises(MetricError, match="statistics are of backbone"):
        measured(output, asked(file, other))


def test_a_wrong_network_stops_the_measuring_and_not_the_run(
    output: Path, reference: Path, backbones: Path
) -> None:
    """A network of pictures is given a video: the error says what it got, and the tables are there."""
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    wrong = asked(reference, backbones / "inception.pt")
    job = job.model_copy(update={"output": str(output), "distances": wrong})
    (output / "results.parquet").unlink()
    with pytest.raises(MetricError, match=r"an error for float32 of shape \(1, 3, 4, "):
        run_job(prepare(job), engine_for)
    assert (output / "results.parquet").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allow_pickle": False}, r"--backbone\n.*is a program(.|\n)*set --allow-pickle"),
        ({"backbone": "dinov2"}, r"--backbone\n.*dinov2(.|\n)*timesformer or videomae"),
        ({"backbone": "videomae", "kind": "fid"}, "videomae(.|\n)*clip or dinov2"),
        ({"backbone": "videomae", "frames": 16}, r"--frames\n.*16\n.*expected: 4"),
        ({"backbone": "videomae", "size": 64}, r"--size\n.*64"),
        ({"backbone": "weights.pt"}, "a file without a program in it"),
        ({"backbone": "nowhere"}, r"a folder without a config\.json"),
        ({"reference": "empty"}, r"--reference\n.*where 0 videos are"),
        ({"reference": "out"}, r"--reference\n.*the output of a run(.|\n)*/videos/MODEL"),
        ({"reference": "nowhere.npz"}, "which is not there"),
        ({"reference": "weights.npz"}, "which has no"),
        ({"reference": "broken.npz"}, r"no \.npz of numbers"),
    ],
)
def test_wrong_use_is_one_message(
    output: Path, reference: Path, backbones: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Before anything starts, by the name of the option, with what could stand there."""
    torch.save(I3d().state_dict(), tmp_path / "weights.pt")
    np.savez(tmp_path / "weights.npz", weights=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "empty").mkdir()
    places = {"backbone": backbones / "i3d.pt", "reference": reference}
    for key in places.keys() & changes.keys():
        name = changes.pop(key)
        places[key] = backbones / name if (backbones / name).exists() else tmp_path / name
    with pytest.raises(MetricError, match=message):
        measure_output(str(output), asked(**places, **changes), nobody)


def test_a_job_names_its_key_in_the_message(output: Path, reference: Path, backbones: Path) -> None:
    """In a job it is the key that is named, before the run."""
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    wrong = asked(reference, backbones / "i3d.pt", allow_pickle=False)
    with pytest.raises(UsageError, match=r"distances\.d\.backbone"):
        prepare(job.model_copy(update={"distances": wrong}))


def test_an_output_without_distances_is_told_what_to_give(output: Path) -> None:
    """Neither job nor command line names a distance."""
    with pytest.raises(UsageError, match="give --reference and --backbone"):
        measure_output(str(output), None, nobody)


def test_distances_of_an_object_store(s3: str, output: Path, reference: Path, backbones: Path) -> None:
    """A reference in a bucket is measured against as a folder is."""
    folder = open_store(f"{s3}/reference").folder
    for path in reference.rglob("*"):
        if path.is_file():
            folder.write(path.relative_to(reference).as_posix(), path.read_bytes())
    here = measured(output, asked(reference, backbones / "i3d.pt"))
    (output / "distances.json").unlink()
    remote = Distance(
        kind="fvd",
        frames=FRAMES,
        allow_pickle=True,
        reference=f"{s3}/reference",
        backbone=str(backbones / "i3d.pt"),
    )
    assert measured(output, {"d": remote})["a"].value == here["a"].value
