"""Models of ``video-diffusion-pytorch`` (Ho et al. 2022, implemented by P. Wang).

``path`` is a folder with ``config.json``, the keyword arguments of the package's two classes, and
``model.safetensors``, the weights of its GaussianDiffusion::

    {"unet": {"dim": 64, "dim_mults": [1, 2, 4, 8]}, "diffusion": {"image_size": 64, "num_frames": 16}}

A model with ``use_bert_text_cond`` reads the prompt; one without it ignores the prompt.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_model

from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models.calls.outputs import to_frames
from t2vbatch.models.determinism import seeded
from t2vbatch.models.protocol import Request


class VideoDiffusion:
    """``pipeline: t2vbatch.models.adapters.video_diffusion:VideoDiffusion``"""

    NAME: ClassVar[str] = "t2vbatch:video-diffusion"
    VERSION: ClassVar[str] = "1"
    CALL: ClassVar[Mapping[str, Any]] = {"cond_scale": 1.0}
    REQUIRES: ClassVar[frozenset[str]] = frozenset()
    ACCEPTS: ClassVar[frozenset[str]] = frozenset({"prompt"})
    FPS: ClassVar[float] = 8.0

    def __init__(self, spec: Model, device: str) -> None:
        library: Any = import_module("video_diffusion_pytorch")
        config = json.loads((Path(spec.path) / "config.json").read_bytes())
        self._reads_text = bool(config["unet"].get("use_bert_text_cond"))
        self._model = library.GaussianDiffusion(library.Unet3D(**config["unet"]), **config["diffusion"])
        load_model(self._model, Path(spec.path) / "model.safetensors", strict=True)
        self._model.eval().to(device)
        self._fps = spec.fps or self.FPS

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel. The package uses torch's global random numbers."""
        [request] = requests
        text = [request.prompt or ""] if self._reads_text else None
        with seeded([request.seed]), torch.no_grad():
            sampled = self._model.sample(cond=text, cond_scale=request.call["cond_scale"], batch_size=1)
        # (1, C, T, H, W) in [0, 1]
        [frames] = to_frames(sampled.permute(0, 2, 1, 3, 4), 1)
        return [Video(frames, self._fps)]
