"""Models of ``imagen-pytorch``: Imagen Video's cascade (Ho et al. 2022, as written down by P. Wang).

``path`` is a folder with ``config.json``, the keyword arguments of the package's classes, one of them a list
for the stages of the cascade, and ``model.safetensors``, the weights of its Imagen::

    {"unets": [{"dim": 64}, {"dim": 64, "lowres_cond": true}],
     "imagen": {"image_sizes": [16, 32], "timesteps": 250, "text_encoder_name": "google/t5-v1_1-base"}}

With ``condition_on_text: false`` in ``imagen`` the prompt is not read.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_model

from t2vbatch.job import Model
from t2vbatch.models.determinism import seeded
from t2vbatch.models.outputs import to_frames
from t2vbatch.models.protocol import Request
from t2vbatch.video import Video


class ImagenVideo:
    """``pipeline: t2vbatch.models.adapters.imagen:ImagenVideo``"""

    CALL: ClassVar[Mapping[str, Any]] = {"num_frames": 16, "cond_scale": 3.0}
    REQUIRES: ClassVar[frozenset[str]] = frozenset()
    ACCEPTS: ClassVar[frozenset[str]] = frozenset({"prompt"})
    FPS: ClassVar[float] = 8.0

    def __init__(self, spec: Model, device: str) -> None:
        library: Any = import_module("imagen_pytorch")
        config = json.loads((Path(spec.path) / "config.json").read_bytes())
        self._reads_text = bool(config["imagen"].get("condition_on_text", True))
        self._model = library.Imagen(
            tuple(library.Unet3D(**unet) for unet in config["unets"]), **config["imagen"]
        )
        load_model(self._model, Path(spec.path) / "model.safetensors", strict=True)
        self._model.eval().to(device)
        self._fps = spec.fps or self.FPS

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel. The package draws from torch's global random numbers."""
        [request] = requests
        text = [request.prompt or ""] if self._reads_text else None
        guidance = {"cond_scale": request.call["cond_scale"]} if self._reads_text else {}
        with seeded([request.seed]), torch.no_grad():
            sampled = self._model.sample(
                texts=text, video_frames=request.call["num_frames"], use_tqdm=False, **guidance
            )
        # (1, C, T, H, W) in [0, 1]
        [frames] = to_frames(sampled.permute(0, 2, 1, 3, 4), 1)
        return [Video(frames, self._fps)]
