"""Calls diffusers directly, as its documentation does, to compare its frames with those of a job.

Only the class, its checkpoint and the parameter of each medium are known here; t2vbatch is not asked.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from tests.models import tiny
from tests.models.tiny_parts import diffusers

Frames = list[Image.Image]

PROMPT, SEED = "a red ball rolls", 5

IMAGE = ("image", "image")
VIDEO = ("video", "video")
INPUTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AnimateDiffControlNetPipeline": (("control", "conditioning_frames"),),
    "AnimateDiffSparseControlNetPipeline": (("control", "conditioning_frames"),),
    "AnimateDiffVideoToVideoControlNetPipeline": (VIDEO, ("control", "conditioning_frames")),
    "AnimateDiffVideoToVideoPipeline": (VIDEO,),
    "AnyFlowFARPipeline": (VIDEO,),
    "ChronoEditPipeline": (IMAGE,),
    "CogVideoXFunControlPipeline": (("control", "control_video"),),
    "CogVideoXImageToVideoPipeline": (IMAGE,),
    "CogVideoXVideoToVideoPipeline": (VIDEO,),
    "ConsisIDPipeline": (IMAGE,),
    "CosmosVideoToWorldPipeline": (IMAGE,),
    "Cosmos2VideoToWorldPipeline": (IMAGE,),
    "Cosmos2_5_TransferPipeline": (("control", "controls"),),
    "Cosmos3DistilledModularPipeline": (VIDEO,),
    "EchoModularPipeline": (IMAGE,),
    "EasyAnimateInpaintPipeline": (VIDEO, ("control", "mask_video")),
    "HunyuanSkyreelsImageToVideoPipeline": (IMAGE,),
    "HunyuanVideo15ImageToVideoPipeline": (IMAGE,),
    "HunyuanVideoFramepackPipeline": (IMAGE,),
    "HunyuanVideoImageToVideoPipeline": (IMAGE,),
    "I2VGenXLPipeline": (IMAGE,),
    "Kandinsky5I2VPipeline": (IMAGE,),
    "Kandinsky6SRPipeline": (VIDEO,),
    "LTX2ImageToVideoPipeline": (IMAGE,),
    "LTX2LatentUpsamplePipeline": (VIDEO,),
    "LTXLatentUpsamplePipeline": (VIDEO,),
    "LTXModularPipeline": (IMAGE,),
    "LTXI2VLongMultiPromptPipeline": (("image", "cond_image"),),
    "LTXImageToVideoPipeline": (IMAGE,),
    "LucyEditPipeline": (VIDEO,),
    "MotifVideoImage2VideoPipeline": (IMAGE,),
    "PIAPipeline": (IMAGE,),
    "SanaImageToVideoPipeline": (IMAGE,),
    "SanaWMPipeline": (IMAGE,),
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": (IMAGE,),
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": (VIDEO,),
    "SkyReelsV2ImageToVideoPipeline": (IMAGE,),
    "StableVideoDiffusionPipeline": (IMAGE,),
    "VideoToVideoSDPipeline": (VIDEO,),
    "Wan22Image2VideoModularPipeline": (IMAGE,),
    "Wan22VaceModularPipeline": (("image", "reference_images"),),
    "WanAnimate2DistilledModularPipeline": (IMAGE, ("video", "driving_video")),
    "WanAnimate2ModularPipeline": (IMAGE, ("video", "driving_video")),
    "WanImage2VideoModularPipeline": (IMAGE,),
    "WanAnimatePipeline": (IMAGE, ("control", "pose_video"), ("video", "face_video")),
    "WanImageToVideoPipeline": (IMAGE,),
    "WanVideoToVideoPipeline": (VIDEO,),
}
"""Class: pairs of a manifest column and the parameter of the call that it becomes."""

_WITHOUT_PROMPT = ("Kandinsky6SR", "LTXLatentUpsample", "LTX2LatentUpsample", "StableVideo")
_COUNTS = {"AnimateDiffSparseControlNetPipeline": 3}
_PROCESSED: Mapping[str, Callable[[Frames], Any]] = {
    "AnyFlowFARPipeline video": lambda frames: _tensor(frames).permute(0, 3, 1, 2)[None] / 255,
    "EasyAnimateInpaintPipeline video": lambda frames: _tensor(frames).permute(3, 0, 1, 2)[None] / 255,
    "EasyAnimateInpaintPipeline mask_video": lambda frames: _tensor(frames)[None, None],
}
"""Inputs that their pipelines take as tensors: their axes are in the documentation of each pipeline."""


def row(
    name: str, folder: Path, inputs: Sequence[tuple[str, str]] | None = None, length: int = 9
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest row of a class and the same inputs as arguments; media are written into ``folder``.

    Args:
        inputs: None: those of ``INPUTS``.
        length: frames of each video.
    """
    made = tiny.TINY_PIPELINES[name]
    cells: dict[str, Any] = {"id": name, "model": name, "seed": SEED}
    arguments: dict[str, Any] = {}
    if not name.startswith(_WITHOUT_PROMPT):
        cells["prompt"] = arguments["prompt"] = PROMPT
    if name.startswith("EasyAnimate"):
        arguments["negative_prompt"] = ""  # the pipeline cannot encode the default, None
    size = (made.call.get("height", made.size[0]), made.call.get("width", made.size[1]))
    if name == "Kandinsky6SRPipeline":
        size = (16, 16)
    for column, parameter in INPUTS.get(name, ()) if inputs is None else inputs:
        count = 0 if column == "image" else _COUNTS.get(name, length)
        value = _written(folder, f"{name}-{column}", count, size, parameter.startswith("mask"))
        cells[column] = f"{name}-{column}" + ("" if count else ".png")
        processed = _PROCESSED.get(f"{name} {parameter}")
        arguments[parameter] = value if processed is None else processed(value)
    for column, shape in made.arrays.items():
        array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        np.save(folder / f"{name}-{column}.npy", array)
        cells[column], arguments[column] = f"{name}-{column}.npy", torch.from_numpy(array)
    return cells, arguments


def frames(name: str, folder: Path, arguments: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """The frames that the pipeline makes of the checkpoint in ``folder``: uint8, shape (T, H, W, 3)."""
    made = tiny.TINY_PIPELINES[name]
    kind: Any = getattr(diffusers, name)
    if name.endswith("ModularPipeline"):
        return _modular_frames(name, folder, arguments)
    parts: dict[str, Any] = {}
    for part, path in made.components.items():
        parts[part] = path and _outside(path, folder, part)
    if name.startswith("TextToVideoZero"):
        parts |= {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
        parts = {part: value for part, value in parts.items() if part in kind._get_signature_keys(kind)[0]}
    pipeline = kind.from_pretrained(folder, dtype=torch.float32, **parts)
    pipeline.set_progress_bar_config(disable=True)
    if name.startswith("Allegro"):
        pipeline.vae.enable_tiling()
    if name.startswith("I2VGenXL"):
        # diffusers 0.42 reads an attribute that transformers 5 removed.
        object.__setattr__(pipeline.text_encoder, "text_model", pipeline.text_encoder)
    call = {**made.call, **arguments}
    if "prompt" not in signature(kind.__call__).parameters:
        call.pop("prompt", None)  # a row needs one, as its label
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    with torch.no_grad():
        output = pipeline(**call, **_fixed(kind))
    return _rounded(output)


def _modular_frames(name: str, folder: Path, arguments: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """The frames of a modular pipeline. The strength of guidance is a setting of its guiders."""
    made = tiny.TINY_PIPELINES[name]
    pipeline = diffusers.ModularPipeline.from_pretrained(folder)
    pipeline.load_components(dtype=torch.float32)
    for part, path in made.components.items():
        if path is None:
            pipeline.disable_safety_checker()
        else:
            pipeline.update_components(**{part: _outside(path, folder, part)})
    call = {**made.call, **arguments}
    for key in ("guidance_scale", "spatio_temporal_guidance_blocks"):
        if key in call:
            pipeline.update_components(guider=pipeline.guider.new(**{key: call.pop(key)}))
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    generator = torch.Generator("cpu").manual_seed(SEED)
    videos = pipeline(**call, generator=generator, output_type="np", output="videos")
    return _rounded(SimpleNamespace(videos=videos))


def _outside(path: str, folder: Path, part: str) -> Any:
    """A component that the checkpoint cannot hold, by the path of its class."""
    module, _, class_name = path.partition(":")
    return getattr(import_module(module), class_name).from_pretrained(folder / "outside" / part)


def _fixed(kind: type) -> dict[str, Any]:
    """Generator and output type, as far as the call takes them."""
    taken = signature(kind.__call__).parameters
    given = {"generator": torch.Generator("cpu").manual_seed(SEED), "output_type": "np"}
    return {name: value for name, value in given.items() if name in taken}


def _rounded(output: Any) -> npt.NDArray[np.uint8]:
    made = next(
        value
        for name in ("frames", "images", "video", "videos")
        if (value := getattr(output, name, None)) is not None
    )
    array = np.stack([np.asarray(one) for one in made]) if isinstance(made, list) else np.asarray(made)
    array = array[0] if array.ndim == 5 else array
    array = array if array.shape[-1] == 3 else np.moveaxis(array, 1, -1)
    return array if array.dtype == np.uint8 else (array.clip(0, 1) * 255).round().astype(np.uint8)


def _written(folder: Path, name: str, count: int, size: tuple[int, int], mask: bool) -> Any:
    """An image, or a folder of ``count`` frames, with a moving gradient or a mask of the right half."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    images = []
    for index in range(max(1, count)):
        shifted = rows * 255 // height + 8 * index
        channels = (shifted, columns * 255 // width, 255 - rows * 255 // height)
        array = np.where(columns < width // 2, 0, 255) if mask else np.stack(channels, axis=-1)
        images.append(Image.fromarray(array.astype(np.uint8)))
    if not count:
        images[0].save(folder / f"{name}.png")
        return images[0]
    (folder / name).mkdir()
    for index, image in enumerate(images):
        image.save(folder / name / f"{index}.png")
    return images


def _tensor(images: Frames) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(image) for image in images]).astype(np.float32))
