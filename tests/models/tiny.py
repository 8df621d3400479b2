"""Tiny checkpoints of diffusers' real pipeline classes, with random weights from a fixed seed.

``save(NAME, folder)`` writes one; ``TINY_PIPELINES`` lists how each is called. Nothing is downloaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from t2vbatch.job import Model, VideoFile
from t2vbatch.media.video import Video, encode
from t2vbatch.models.calls.modular import is_modular
from tests.models.tiny_parts import TinyPipeline, diffusers, motion_adapter
from tests.models.tiny_pipelines import (
    cosmos,
    dit,
    hunyuan,
    kandinsky6,
    ltx,
    modular,
    unet,
    wan,
)

__all__ = ["TINY_PIPELINES", "TinyPipeline", "model", "motion_adapter", "save", "write_image", "write_video"]

_FAMILIES = (
    unet,
    wan,
    dit,
    hunyuan,
    kandinsky6,
    ltx,
    cosmos,
    modular,
)

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    name: pipeline for module in _FAMILIES for name, pipeline in module.TINY_PIPELINES.items()
}


def save(name: str, folder: Path, variant: str | None = None) -> Path:
    """Write the tiny checkpoint of the pipeline class ``name`` into ``folder``.

    ``name`` may have a suffix after a colon: a second checkpoint of the same class.
    """
    torch.manual_seed(0)
    made = TINY_PIPELINES[name]
    pipeline = _assembled(getattr(diffusers, name.partition(":")[0]), made.parts())
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    for component in filter(made.components.get, made.components):
        getattr(pipeline, component).save_pretrained(folder / "outside" / component)
        setattr(pipeline, component, None)
        pipeline.register_to_config(**{component: (None, None)})
    own = {"overwrite_modular_index": True} if is_modular(type(pipeline)) else {}
    pipeline.save_pretrained(str(folder), variant=variant, **own)
    return folder


def _assembled(kind: Any, parts: dict[str, Any]) -> Any:
    if not is_modular(kind):
        return kind(**parts)
    pipeline = kind()
    pipeline.update_components(**parts)
    return pipeline


def model(name: str, folder: Path, **changes: Any) -> Model:
    """The job's section that runs the tiny checkpoint of ``name`` in ``folder``."""
    made = TINY_PIPELINES[name]
    components = {
        component: kind and {"class": kind, "path": str(folder / "outside" / component)}
        for component, kind in made.components.items()
    }
    section = {"path": str(folder), "call": dict(made.call), "components": components}
    return Model.model_validate(section | changes)


def write_image(path: Path, height: int = 24, width: int = 32) -> Path:
    """A small picture with a gradient."""
    Image.fromarray(_gradient(height, width, 0)).save(path)
    return path


def write_video(path: Path, frames: int = 9, height: int = 16, width: int = 16) -> Path:
    """A small video whose gradient moves."""
    moving = np.stack([_gradient(height, width, index * 8) for index in range(frames)])
    encode(Video(moving, 8.0), path, VideoFile())
    return path


def _gradient(height: int, width: int, shift: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[0:height, 0:width]
    channels = (rows * 255 // height + shift, columns * 255 // width, 255 - rows * 255 // height)
    return np.stack(channels, axis=-1).astype(np.uint8)
