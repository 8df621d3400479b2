from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from t2vbatch.models.shapes import CALL
from t2vbatch.models.shapes.scoring import ShapeScorer
from t2vbatch.models.shapes.train import TOY, Trainer, main


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / f"{name}.pt", weights_only=True)["module"]
    return state


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an undisturbed run of every stage at toy size."""
    work = tmp_path_factory.mktemp("whole")
    main(["--toy", "--work", str(work), "--threads", "1"])
    return work


def test_a_toy_run_exports_a_pipeline_and_a_scorer(finished: Path) -> None:
    """The standard classes load the recipe's output and make a video and a score."""
    pipeline = DiffusionPipeline.from_pretrained(finished / "weights" / "pipeline")
    call = {**CALL, "num_inference_steps": 2}
    video = pipeline("a red circle moves left", output_type="np", **call).frames[0]
    assert video.shape == (CALL["num_frames"], CALL["height"], CALL["width"], 3)
    frames = (video * 255).round().astype("uint8")
    scores = ShapeScorer(finished / "weights" / "clip").scores(frames, ["a red circle", "a blue star"])
    assert scores.shape == (2,)
    assert (abs(scores) <= 1).all()


def test_every_stage_logs_its_losses(finished: Path) -> None:
    """The logs have a JSON line for each trained part and one for the gate."""
    for name in ("autoencoder", "denoiser", "decoder", "clip", "gates"):
        assert (finished / f"{name}.jsonl").read_text().startswith("{")


def test_a_stopped_run_that_is_resumed_equals_an_undisturbed_one(finished: Path, tmp_path: Path) -> None:
    """Weights after stopping every part halfway and starting again are bit-equal."""
    Trainer(TOY, tmp_path, until_step=2).autoencoder()
    for until in (2, None):
        vae = Trainer(TOY, tmp_path).autoencoder()
        trainer = Trainer(TOY, tmp_path, until_step=until)
        trainer.denoiser(*trainer.latents(vae))
        trainer.decoder(vae)
        trainer.clip()
    for name in ("autoencoder", "denoiser", "decoder", "clip"):
        whole, resumed = weights(finished, name), weights(tmp_path, name)
        assert whole.keys() == resumed.keys()
        for key in whole:
            assert torch.equal(whole[key], resumed[key]), f"{name}: {key}"


def test_training_changes_the_weights(finished: Path, tmp_path: Path) -> None:
    """The weights of the toy run differ from those of a shorter run."""
    shorter = replace(TOY, clip=replace(TOY.clip, steps=1))
    Trainer(shorter, tmp_path).clip()
    whole, short = weights(finished, "clip"), weights(tmp_path, "clip")
    assert any(not torch.equal(whole[key], short[key]) for key in whole)


def test_a_bad_autoencoder_stops_the_run(tmp_path: Path) -> None:
    """The gate refuses to train a denoiser after bad reconstructions, with the reason."""
    trainer = Trainer(replace(TOY, gate=0.95), tmp_path)
    with pytest.raises(SystemExit, match="reconstructions correctly"):
        trainer.latents(trainer.autoencoder())
    assert not (tmp_path / "latents").exists()
