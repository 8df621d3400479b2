"""Frame counts: refused by the checkpoint's config, advised by the family, and allowed on request."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import ModelError
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.families import ANY, Family, family
from t2vbatch.models.frames import count_notes, frame_counts, temporal_ratio
from t2vbatch.models.protocol import FrameRule, Request
from tests.models import line, tiny
from tests.models.tiny_parts import diffusers

Checkpoint = Callable[[str], Path]


@pytest.mark.parametrize(
    ("config", "ratio"),
    [
        ({"temporal_compression_ratio": 8}, 8),
        ({"scale_factor_temporal": 4}, 4),
        (
            {"temporal_compression_ratio": None, "patch_size_t": 1, "spatio_temporal_scaling": [True, False]},
            2,
        ),
        ({"temperal_downsample": [False, True, True]}, 4),
        ({"temporal_compression_ratio": None}, None),
        ({}, None),
    ],
)
def test_the_ratio_is_that_of_the_autoencoder(config: dict[str, Any], ratio: int | None) -> None:
    """The ratio is a number of the config or follows from its layers; otherwise it is unknown."""
    assert temporal_ratio(config) == ratio


def test_a_checkpoint_overrules_its_family() -> None:
    """The config's ratio decides what is refused; a family's rule alone is advice."""
    ltx = family("LTX2Pipeline")
    assert frame_counts(ltx, {"temporal_compression_ratio": 2}, True).allowed == FrameRule(2, 1)
    unknown = frame_counts(ltx, {"temporal_compression_ratio": None}, True)
    assert (unknown.allowed, unknown.advised) == (ANY, FrameRule(8, 1))
    assert frame_counts(ltx, {"temporal_compression_ratio": 8}, False).allowed == ANY
    assert frame_counts(family("MochiPipeline"), {}, True).allowed == FrameRule(6, 1)
    assert frame_counts(family("CogVideoXPipeline"), {"temporal_compression_ratio": 4}, True).allowed == ANY


def test_advice_is_a_note() -> None:
    """A count outside the advice has a note with the nearest counts; one inside has none."""
    row = Family("Some", frames=FrameRule(8, 1), rounds=False)
    counts = frame_counts(row, {}, True)
    [note] = count_notes("SomePipeline", row, counts, "num_frames", 10)
    assert "9 or 17" in note
    assert count_notes("SomePipeline", row, counts, "num_frames", 9) == []
    assert (
        "4 frames fewer"
        in count_notes("P", family("HunyuanVideoImageToVideoPipeline"), counts, None, None)[0]
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [("CogVideoXPipeline", 8), ("CogVideoXPipeline", 16), ("Cosmos2_5_PredictBasePipeline", 10)],
)
def test_a_pipeline_makes_counts_outside_its_familys_rule(name: str, count: int, tmp_path: Path) -> None:
    """These pipelines make such counts exactly, although the families were trained for 8k+1 and 4k+1."""
    row = _made(name, count, tmp_path)
    assert (row["status"], row["num_frames"]) == ("ok", count)


def test_helios_makes_whole_chunks(tmp_path: Path) -> None:
    """The record has the count that was asked for in its call, and the count that was made."""
    row = _made("HeliosPipeline", 9, tmp_path)
    assert (row["status"], row["num_frames"]) == ("ok", 33)
    assert '"num_frames": 9' in row["call"]
    assert row["video_notes"] == "HeliosPipeline made 33 frames; the call asks for num_frames: 9"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    (model,) = summary["models"].values()
    assert model["video_notes"] == {row["video_notes"]: 1}


def test_an_exact_count_has_no_note(tmp_path: Path) -> None:
    """A video of the count and the size that the call asks for has no note."""
    assert _made("HeliosPipeline", 33, tmp_path)["video_notes"] is None


def test_helios_reads_more_frames_than_it_makes(tmp_path: Path) -> None:
    """An input video keeps the 33 frames that the call needs."""
    tiny.write_video(tmp_path / "long.mp4", frames=40)
    row = _made("HeliosPipeline", 9, tmp_path, video="long.mp4")
    assert (row["status"], row["error"]) == ("ok", None)


def test_an_upsampler_reads_its_whole_video(tmp_path: Path) -> None:
    """The upsampler of LTX-2 counts the frames of its video, whatever num_frames is."""
    tiny.write_video(tmp_path / "long.mp4", frames=17)
    row = _made("LTX2LatentUpsamplePipeline", 9, tmp_path, video="long.mp4")
    assert (row["error"], row["num_frames"]) == (None, 17)


def test_another_size_than_the_calls_is_noted(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that pads or rounds the size has a note with both sizes."""
    section = tiny.model("WanPipeline", checkpoint("WanPipeline"))
    model = load_model(section, inspect_model("mine", section), "cpu")
    call = tiny.TINY_PIPELINES["WanPipeline"].call
    (exact,) = model.generate([Request("a ball", None, 1, call=call)])
    assert exact.notes == ()
    larger = {**call, "width": call["width"] + 4}
    monkeypatch.setattr(diffusers.WanPipeline, "check_inputs", lambda *_, **__: None)
    (video,) = model.generate([Request("a ball", None, 1, call=larger)])
    made, asked = f"{video.frames.shape[2]} x {call['height']}", f"{larger['width']} x {call['height']}"
    assert video.notes == (f"WanPipeline made {made} pixels; the call asks for {asked}",)


def _made(name: str, count: int, folder: Path, **columns: str) -> dict[str, Any]:
    models = line.checkpoints([name], folder)
    models[name]["call"] |= {"num_frames": count}
    [row] = line.rows(models, folder)
    [made] = line.run(folder, "out", models, [row | columns])
    return made


def test_every_count_is_allowed_on_request(checkpoint: Checkpoint) -> None:
    """A refused count names the key that passes it to the pipeline."""
    folder = checkpoint("WanPipeline")
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", tiny.model("WanPipeline", folder, call={"num_frames": 16}))
    assert "frames: any" in caught.value.fix
    facts = inspect_model("mine", tiny.model("WanPipeline", folder, call={"num_frames": 16}, frames="any"))
    assert facts.frames == ANY


def test_the_jobs_own_autoencoder_decides(checkpoint: Checkpoint) -> None:
    """With an autoencoder under components:, its config has the ratio."""
    ltx = checkpoint("LTX2Pipeline")
    vae = {"vae": {"class": "AutoencoderKLLTX2Video", "path": str(ltx), "subfolder": "vae"}}
    section = tiny.model("LTXPipeline", checkpoint("LTXPipeline"), components=vae)
    assert str(inspect_model("mine", section).frames) == "8k+1"
