"""Distances of a real run: values, notes, and when they are measured again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.linalg
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
    """The spec of an FVD of four frames, with changes."""
    keys: dict[str, Any] = {"kind": "fvd", "frames": FRAMES, "allow_pickle": True} | changes
    return {"d": Distance(reference=str(reference), backbone=str(backbone), **keys)}


def measured(output: Path, distances: dict[str, Distance], **options: Any) -> dict[str, Measured]:
    """Model: distance."""
    models = measure_output(str(output), distances, engine_for, **options).summary.models
    return {model.model: model.distances[-1] for model in models}


def films(output: Path, model: str) -> list[Path]:
    """The paths of a model's ok videos."""
    results = pq.read_table(output / "results.parquet").to_pylist()
    return [output / row["video"] for row in results if row["model"] == model and row["status"] == "ok"]


def in_folder(reference: Path) -> list[Path]:
    """The paths of the reference videos."""
    return [path for path in reference.rglob("??.*") if path.suffix in {".mp4", ".png"}]


def by_i3d(path: Path, backbone: Path) -> Array:
    """The call in StyleGAN-V's code: uint8 (1, 3, T, H, W), all switches on."""
    frames = np.moveaxis(decode(path).frames[:FRAMES], -1, 0)[None]
    module = torch.jit.load(backbone)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = module(torch.tensor(frames.copy()), rescale=True, resize=True, return_features=True)
    return np.asarray(found.double().numpy())


def by_inception(path: Path, backbone: Path) -> Array:
    """The call in StyleGAN2-ADA's code: uint8 (N, 3, H, W), return_features on."""
    frames = np.moveaxis(sampled(decode(path).frames, FRAMES), -1, 1)
    module = torch.jit.load(backbone)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return np.asarray(module(torch.tensor(frames.copy()), return_features=True).double().numpy())


def by_videomae(path: Path, backbone: Path) -> Array:
    """transformers: processor, model, mean over tokens."""
    processor = AutoImageProcessor.from_pretrained(backbone, backend="pil")
    pixels = processor(list(decode(path).frames[:FRAMES]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(backbone)(pixel_values=pixels).last_hidden_state
    return np.asarray(tokens.mean(dim=1).double().numpy())


def by_timesformer(path: Path, backbone: Path) -> Array:
    """transformers: processor, model, class token."""
    processor = AutoImageProcessor.from_pretrained(backbone, backend="pil")
    pixels = processor(list(decode(path).frames[:FRAMES]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(backbone)(pixel_values=pixels).last_hidden_state
    return np.asarray(tokens[:, 0].double().numpy())


def by_dinov2(path: Path, backbone: Path) -> Array:
    """transformers: processor, model, class token of the last layer, not normalized."""
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
def test_a_distance_equals_an_independent_computation(
    output: Path,
    reference: Path,
    backbones: Path,
    kind: str,
    name: str,
    look: Callable[[Path, Path], Array],
    distance: Callable[[Array, Array], float],
) -> None:
    """Each kind of backbone gives the distance that independent code computes from the files of the ok
    samples.
    """
    found = measured(output, asked(reference, backbones / name, kind=kind))
    real = np.concatenate([look(path, backbones / name) for path in in_folder(reference)])
    for model in ("a", "b"):
        fake = np.concatenate([look(path, backbones / name) for path in films(output, model)])
        assert found[model].value == pytest.approx(distance(fake, real), rel=1e-4)
        assert (found[model].videos, found[model].features) == (9, len(fake))
    assert found["a"].value != found["b"].value


def test_a_distance_is_shown_with_its_sizes_and_warnings(
    output: Path, reference: Path, backbones: Path
) -> None:
    """JSON, text and report show the sizes of both sets, the backbone, the frames, the warning and the
    extrapolation.
    """
    result = measure_output(str(output), asked(reference, backbones / "i3d.pt"), engine_for)
    one = json.loads((output / "summary.json").read_text())["models"]["a"]["distances"]["d"]
    assert one["value"] > 0
    assert one["extrapolated"] not in (None, one["value"])  # Nine videos leave its sign to chance.
    assert (one["videos"], one["reference_videos"], one["dims"], one["frames"]) == (9, 14, 3, FRAMES)
    assert one["convention"] == "first 4 frames, resized by the backbone"
    text, page = render_text(result.summary), (output / "report/index.html").read_text()
    for shown in (text, page):
        assert f"{one['value']:.4g}" in shown
        assert f"{one['extrapolated']:.4g}" in shown
        assert "9 videos, fewer than 2,048" in shown
        assert "the reference has only 14 videos" in shown
        assert f"{backbones / 'i3d.pt'} (weights {one['backbone_sha256'][:12]})" in shown


def test_too_few_videos_for_the_features_are_noted(output: Path, reference: Path, backbones: Path) -> None:
    """Below 3 videos per feature there is no extrapolation; below 1 the note says that the covariance is
    singular.
    """
    one = measured(output, asked(reference, backbones / "videomae"))["a"]
    assert one.extrapolated is None
    assert any("needs 96 videos" in note for note in one.notes)
    assert any("9 feature vectors of 32 dimensions" in note for note in one.notes)


def no_engine(job: Job) -> Engine:
    """An engine that must not be started."""
    raise AssertionError("a video is read again")


def test_a_run_measures_its_jobs_distances_and_the_next_one_finds_them(
    output: Path, reference: Path, backbones: Path
) -> None:
    """A run measures the distances of its job, and a second run without changes reads no video."""
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    job = job.model_copy(
        update={"output": str(output), "distances": asked(reference, backbones / "i3d.pt")},
    )
    first = run_job(prepare(job), engine_for).summary
    assert run_job(prepare(job), no_engine).summary == first
    assert first.models[0].distances[0].value is not None
    assert not (output / "features").exists()


def test_a_distance_of_other_videos_is_hidden(output: Path, reference: Path, backbones: Path) -> None:
    """After the set of videos changed, the old distance is hidden, and the next command measures it again."""
    spec = asked(reference, backbones / "i3d.pt")
    before = measured(output, spec)
    fewer = output.parent / "rows.jsonl"
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    lines = Path(job.manifest).read_text().splitlines(keepends=True)
    fewer.write_text("".join(lines[1:]))
    job = job.model_copy(update={"output": str(output), "manifest": str(fewer)})
    assert run_job(prepare(job), engine_for).summary.models[0].distances == ()
    after = measured(output, spec)
    assert after["a"].videos == 8
    assert after["a"].value != before["a"].value


class Interrupted:
    """An engine that stops before the last five units."""

    def run(self, units: Any, job: Job, factories: Any, callbacks: Any) -> Ending:
        ((name, found),) = units.items()
        engine_for(job).run({name: found[:-5]}, job, factories, callbacks)
        return "interrupted"


class Counting:
    """An engine that counts its units."""

    def __init__(self) -> None:
        self.units = 0

    def run(self, units: Any, job: Job, factories: Any, callbacks: Any) -> Ending:
        self.units += sum(len(found) for found in units.values())
        return engine_for(job).run(units, job, factories, callbacks)


def test_measuring_continues_after_an_interruption(
    output: Path, made: Path, reference: Path, backbones: Path, tmp_path: Path
) -> None:
    """After an interruption only the missing features are computed, and the distance is that of an
    uninterrupted run.
    """
    spec = asked(reference, backbones / "i3d.pt")
    cut = measure_output(str(output), spec, lambda job: Interrupted())
    assert cut.ending == "interrupted"
    assert cut.summary.models[0].distances == ()
    counting = Counting()
    whole = measure_output(str(output), spec, lambda job: counting).summary.models[0].distances
    assert counting.units == 5
    undisturbed = shutil.copytree(made, tmp_path / "undisturbed")
    assert whole == measure_output(str(undisturbed), spec, engine_for).summary.models[0].distances


def test_a_worker_of_ray_gives_the_same_bits(
    output: Path, made: Path, reference: Path, backbones: Path
) -> None:
    """A worker process of Ray and the inline engine give the same number to the last digit."""
    spec = asked(reference, backbones / "videomae")
    inline = measured(output, spec)
    other = Path(shutil.copytree(made, output.parent / "ray"))
    text = (other / "job.yaml").read_text().replace("engine: inline", "engine: ray")
    (other / "job.yaml").write_text(text.replace("count: auto", "count: 1"))
    assert measured(other, spec) == inline


def test_a_short_video_is_left_out_and_counted(output: Path, reference: Path, backbones: Path) -> None:
    """Videos shorter than the required frames are counted; with fewer than 2 videos there is no value."""
    found = measured(output, asked(output / "videos/a", backbones / "i3d.pt", frames=8))
    assert found["a"].value == pytest.approx(0, abs=1e-9)
    assert found["b"].value is None
    assert found["b"].left_out == {"shorter than 8 frames": 9}
    assert found["b"].reason == "fewer than 2 usable videos; 9 videos left out: shorter than 8 frames"
    with pytest.raises(RunError, match="14 reference videos left out: shorter than 8 frames"):
        measured(output, asked(reference, backbones / "i3d.pt", frames=8))


def test_a_video_that_cannot_be_read_is_left_out(output: Path, reference: Path, backbones: Path) -> None:
    """A damaged video is left out and counted, and a note warns about different numbers of videos."""
    damaged = shutil.copytree(reference, output.parent / "reference")
    (damaged / "00.mp4").write_bytes(b"no video")
    (films(output, "a")[0] / "00001.png").write_bytes(b"no picture")
    summary = measure_output(str(output), asked(damaged, backbones / "i3d.pt"), engine_for).summary
    one = summary.models[0].distances[0]
    assert (one.videos, one.left_out, one.reference_videos) == (8, {"cannot be decoded": 1}, 13)
    notes = distance_notes(summary)
    assert "d: 1 videos left out: cannot be decoded (a)" in notes
    assert "d: 1 reference videos left out: cannot be decoded (a, b)" in notes
    assert any("different numbers of videos" in note for note in notes)


def test_a_stride_and_a_size_are_another_distance(output: Path, reference: Path, backbones: Path) -> None:
    """Another stride and size give another convention and another value."""
    spec = asked(reference, backbones / "i3d.pt", frames=3, stride=2, size=16)
    one = measured(output, spec)["a"]
    assert one.convention == "first 3 frames, stride 2, resized to 16x16"
    assert one.value != measured(output, asked(reference, backbones / "i3d.pt", frames=3))["a"].value


def test_stylegan_vs_conventions_are_options(output: Path, reference: Path, backbones: Path) -> None:
    """divisor: n is the distance of numpy's biased covariances, and start: random takes other clips."""
    plain = measured(output, asked(reference, backbones / "i3d.pt"))["a"]
    biased = measured(output, asked(reference, backbones / "i3d.pt", divisor="n"))["a"]
    real = np.concatenate([by_i3d(path, backbones / "i3d.pt") for path in in_folder(reference)])
    fake = np.concatenate([by_i3d(path, backbones / "i3d.pt") for path in films(output, "a")])
    shift = fake.mean(0) - real.mean(0)
    one, other = (np.cov(part, rowvar=False, bias=True) for part in (fake, real))
    root = scipy.linalg.sqrtm(one @ other).real
    expected = shift @ shift + np.trace(one + other - 2 * root)
    assert biased.value == pytest.approx(expected, rel=1e-4)
    assert biased.convention.endswith("covariances divided by n")
    random = measured(output, asked(reference, backbones / "i3d.pt", frames=3, start="random"))["a"]
    assert random.value != measured(output, asked(reference, backbones / "i3d.pt", frames=3))["a"].value
    assert random.convention == "3 frames from a random one, resized by the backbone"
    assert plain.value != biased.value


def test_saved_statistics_stand_for_the_reference(output: Path, reference: Path, backbones: Path) -> None:
    """Saved statistics give the same number as the folder, to the last bit, and no reference video is
    read.
    """
    file = output.parent / "reference.npz"
    before = measured(output, asked(reference, backbones / "i3d.pt"), save=str(file))
    (output / "distances.json").unlink()
    counting = Counting()
    result = measure_output(str(output), asked(file, backbones / "i3d.pt"), lambda job: counting)
    assert counting.units == 18
    assert result.summary.models[0].distances[0].value == before["a"].value
    assert result.summary.models[0].distances[0].reference_videos == 14


def test_saved_statistics_of_another_spec_are_rejected(
    output: Path, reference: Path, backbones: Path, tmp_path: Path
) -> None:
    """Statistics of other weights or other frames are rejected."""
    file = output.parent / "reference.npz"
    measured(output, asked(reference, backbones / "i3d.pt"), save=str(file))
    with pytest.raises(MetricError, match=r"statistics have frames 4\n.*expected: frames 3"):
        measured(output, asked(file, backbones / "i3d.pt", frames=3))
    other = exported(I3d().double(), tmp_path / "other.pt")
    with pytest.raises(MetricError, match="statistics have backbone"):
        measured(output, asked(file, other))


def test_a_wrong_network_stops_the_measuring_and_not_the_run(
    output: Path, reference: Path, backbones: Path
) -> None:
    """An image network with a video as input is an error with the input's shape, and the run's tables are
    written.
    """
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
        ({"allow_pickle": False}, r"--backbone\n.*a TorchScript file(.|\n)*set --allow-pickle"),
        ({"backbone": "dinov2"}, r"--backbone\n.*dinov2(.|\n)*timesformer or videomae"),
        ({"backbone": "videomae", "kind": "fid"}, "videomae(.|\n)*clip or dinov2"),
        ({"backbone": "videomae", "frames": 16}, r"--frames\n.*16\n.*expected: 4"),
        ({"backbone": "videomae", "size": 64}, r"--size\n.*64"),
        ({"backbone": "weights.pt"}, "a file without a TorchScript program"),
        ({"backbone": "nowhere"}, r"a folder without a config\.json"),
        ({"reference": "empty"}, r"--reference\n.*a folder of 0 videos"),
        ({"reference": "out"}, r"--reference\n.*the output of a run(.|\n)*/videos/MODEL"),
        ({"reference": "nowhere.npz"}, "which does not exist"),
        ({"reference": "weights.npz"}, "which lacks arrays"),
        ({"reference": "broken.npz"}, r"not an \.npz file of numbers"),
    ],
)
def test_wrong_use_is_one_message(
    output: Path, reference: Path, backbones: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """A wrong option is one message with the option's name and the expected value, before any video is
    read.
    """
    torch.save(I3d().state_dict(), tmp_path / "weights.pt")
    np.savez(tmp_path / "weights.npz", weights=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "empty").mkdir()
    places = {"backbone": backbones / "i3d.pt", "reference": reference}
    for key in places.keys() & changes.keys():
        name = changes.pop(key)
        places[key] = backbones / name if (backbones / name).exists() else tmp_path / name
    with pytest.raises(MetricError, match=message):
        measure_output(str(output), asked(**places, **changes), no_engine)


def test_a_job_names_its_key_in_the_message(output: Path, reference: Path, backbones: Path) -> None:
    """For a job the message names the key, before the run."""
    job = parse_job((output / "job.yaml").read_text(), "job.yaml")
    wrong = asked(reference, backbones / "i3d.pt", allow_pickle=False)
    with pytest.raises(UsageError, match=r"distances\.d\.backbone"):
        prepare(job.model_copy(update={"distances": wrong}))


def test_an_output_without_distances_needs_options(output: Path) -> None:
    """Without a distance in the job or the command, the message names the options to give."""
    with pytest.raises(UsageError, match="give --reference and --backbone"):
        measure_output(str(output), None, no_engine)


def test_distances_of_an_object_store(s3: str, output: Path, reference: Path, backbones: Path) -> None:
    """A reference in a bucket gives the same distance as a local folder."""
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
