"""Real pipeline classes with tiny random weights: from request to video."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from t2vbatch.errors import DegenerateError, MemoryExceededError, RowError
from t2vbatch.job import Model
from t2vbatch.manifest import Media
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.protocol import ModelFacts, Request
from tests.models import tiny

Checkpoint = Callable[[str], Path]


def _loaded(path: Path, **changes: Any) -> tuple[DiffusersModel, ModelFacts]:
    spec = Model.model_validate({"path": str(path), **changes})
    facts = inspect_model("mine", spec)
    model = load_model(spec, facts, "cpu")
    assert isinstance(model, DiffusersModel)
    return model, facts


def _request(name: str, picture: Path, seed: int = 7) -> Request:
    image = name in ("StableVideoDiffusionPipeline", "CogVideoXImageToVideoPipeline")
    return Request(
        prompt="a red ball rolls",
        negative_prompt="blur",
        seed=seed,
        media={"image": Media("image", data=picture.read_bytes())} if image else {},
        call=tiny.TINY_PIPELINES[name].call,
    )


NAMES = [
    "TextToVideoSDPipeline",
    "WanPipeline",
    "StableVideoDiffusionPipeline",
    "CogVideoXImageToVideoPipeline",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_request_decides_the_video(name: str, checkpoint: Checkpoint, picture: Path) -> None:
    """The same request gives the same bytes from a fresh and from a used model; another seed gives others."""
    model, facts = _loaded(checkpoint(name))
    first, other, again = (model.generate([_request(name, picture, seed)])[0] for seed in (7, 2**63 - 1, 7))
    fresh = _loaded(checkpoint(name))[0].generate([_request(name, picture)])[0]
    made = tiny.TINY_PIPELINES[name]
    assert first.frames.shape == (made.frames, *made.size, 3)
    assert first.fps == facts.fps
    assert first.frames.std() > 1
    assert first.sha256() == again.sha256() == fresh.sha256()
    assert first.sha256() != other.sha256()


def test_prompts_and_arguments_reach_the_pipeline(checkpoint: Checkpoint, picture: Path) -> None:
    """Each of prompt, negative prompt and call argument changes the video."""
    model, _ = _loaded(checkpoint("WanPipeline"))
    plain = _request("WanPipeline", picture)
    requests = [
        plain,
        replace(plain, prompt="a blue cube"),
        replace(plain, negative_prompt=None),
        replace(plain, call={**plain.call, "guidance_scale": 1.5}),
        replace(plain, call={**plain.call, "num_frames": 9}),
    ]
    videos = [model.generate([request])[0] for request in requests]
    assert len({video.sha256() for video in videos}) == len(requests)
    assert videos[-1].frames.shape[0] == 9


def test_a_batch_gives_each_sample_its_own_seed(checkpoint: Checkpoint, picture: Path) -> None:
    """A sample of a batch does not depend on the other prompts and seeds."""
    model, _ = _loaded(checkpoint("TextToVideoSDPipeline"), batch=2)
    one, two, three = (_request("TextToVideoSDPipeline", picture, seed) for seed in (1, 2, 3))
    pair = model.generate([one, two])
    beside_another = model.generate([one, replace(three, prompt="something else")])
    assert pair[0].sha256() == beside_another[0].sha256()
    assert pair[0].sha256() != pair[1].sha256()


def test_a_batch_that_shares_random_numbers_is_refused(checkpoint: Checkpoint, picture: Path) -> None:
    """A batch is refused if the pipeline uses the global random numbers."""
    model, _ = _loaded(checkpoint("TextToVideoSDPipeline"), batch=2)
    decode = model._pipeline.decode_latents
    model._pipeline.decode_latents = lambda latents: decode(latents + 0 * torch.randn(1))
    request = _request("TextToVideoSDPipeline", picture)
    model.generate([request])
    with pytest.raises(RowError, match="set batch: 1"):
        model.generate([request, request])


def test_the_rate_that_is_imagined_is_the_rate_of_the_file(checkpoint: Checkpoint, picture: Path) -> None:
    """The file has the call's frame rate, unless the job sets fps."""
    name = "StableVideoDiffusionPipeline"
    request = _request(name, picture)
    request = replace(request, call={**request.call, "fps": 12})
    assert _loaded(checkpoint(name))[0].generate([request])[0].fps == 12.0
    assert _loaded(checkpoint(name), fps=6)[0].generate([request])[0].fps == 6.0


def test_an_exception_in_a_call_does_not_poison_the_next(checkpoint: Checkpoint, picture: Path) -> None:
    """After a call that failed in the middle of its steps, the same request makes the same bytes."""
    model, _ = _loaded(checkpoint("WanPipeline"), speed={"cache": "FirstBlockCacheConfig"})
    request = _request("WanPipeline", picture)
    request = replace(request, call={**request.call, "num_inference_steps": 4})
    before = model.generate([request])[0]
    scheduler = model._pipeline.scheduler
    step, steps = scheduler.step, []

    def fails(*args: Any, **kwargs: Any) -> Any:
        steps.append(args)
        if len(steps) == 2:
            raise ZeroDivisionError("in the middle")
        return step(*args, **kwargs)

    scheduler.step = fails
    larger = replace(request, call={**request.call, "height": 32})
    with pytest.raises(RowError, match="ZeroDivisionError: in the middle") as caught:
        model.generate([larger])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert model.generate([request])[0].sha256() == before.sha256()


def test_nan_is_found_before_it_becomes_black(checkpoint: Checkpoint, picture: Path) -> None:
    """NaN in the output raises a DegenerateError that counts the frames."""
    model, _ = _loaded(checkpoint("WanPipeline"))
    torch.nn.init.constant_(model._pipeline.vae.decoder.conv_out.bias, float("nan"))
    with pytest.raises(DegenerateError, match="in 5 of 5 frames"):
        model.generate([_request("WanPipeline", picture)])


def test_running_out_of_memory_has_its_own_error(checkpoint: Checkpoint, picture: Path) -> None:
    """A failed allocation raises a MemoryExceededError."""
    model, _ = _loaded(checkpoint("WanPipeline"))
    model._pipeline.encode_prompt = lambda **kwargs: torch.empty(2**60)
    with pytest.raises(MemoryExceededError):
        model.generate([_request("WanPipeline", picture)])


def test_a_broken_image_is_the_rows_fault(checkpoint: Checkpoint, picture: Path) -> None:
    """The error for a broken image names the column."""
    name = "StableVideoDiffusionPipeline"
    model, _ = _loaded(checkpoint(name))
    request = replace(_request(name, picture), media={"image": Media("image", data=b"no picture")})
    with pytest.raises(RowError, match="image: cannot read the image"):
        model.generate([request])


def test_a_wrong_frame_count_of_a_row_is_refused(checkpoint: Checkpoint, picture: Path) -> None:
    """A row's frame count that diffusers would round to 17 with a log line is refused."""
    model, _ = _loaded(checkpoint("WanPipeline"))
    request = _request("WanPipeline", picture)
    with pytest.raises(RowError, match="4k\\+1 frames, such as 17 or 21"):
        model.generate([replace(request, call={**request.call, "num_frames": 18})])


def test_a_plain_checkpoint_and_a_motion_adapter(
    checkpoint: Checkpoint, picture: Path, tmp_path: Path
) -> None:
    """AnimateDiff runs with a Stable Diffusion folder and the job's motion module and scheduler."""
    tiny.motion_adapter().save_pretrained(tmp_path / "motion")
    model, facts = _loaded(
        checkpoint("StableDiffusionPipeline"),
        pipeline="AnimateDiffPipeline",
        components={
            "motion_adapter": {"class": "MotionAdapter", "path": str(tmp_path / "motion")},
            "image_encoder": None,
        },
        scheduler={"class": "DDIMScheduler", "beta_schedule": "linear", "clip_sample": False},
    )
    call = {"num_frames": 4, "height": 16, "width": 16, "num_inference_steps": 2}
    request = Request("a red ball", None, 7, call=call)
    video = model.generate([request])[0]
    assert video.frames.shape == (4, 16, 16, 3)
    assert model._pipeline.scheduler.config.beta_schedule == "linear"
    assert "content" in facts.identity["components"]["motion_adapter"]["weights"]


def test_dtype_scheduler_and_variant_are_what_the_job_says(tmp_path: Path, picture: Path) -> None:
    """The job's variant, dtype, scheduler and scheduler config are used."""
    folder = tiny.save("TextToVideoSDPipeline", tmp_path / "half", variant="fp16")
    model, _ = _loaded(
        folder,
        variant="fp16",
        dtype="bfloat16",
        scheduler={"class": "DPMSolverMultistepScheduler", "solver_order": 3},
    )
    pipeline = model._pipeline
    assert type(pipeline.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert pipeline.scheduler.config.solver_order == 3
    assert pipeline.scheduler.config.beta_schedule == "scaled_linear"
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype} == {torch.bfloat16}
    assert model.generate([_request("TextToVideoSDPipeline", picture)])[0].frames.dtype == np.uint8
