"""Models of ``imagen-pytorch``: Imagen Video (Ho et al. 2022, arXiv:2210.02303), implemented by P. Wang.

``path`` is a folder with ``config.json``, the keyword arguments of the package's classes,
``model.safetensors``, the weights of its Imagen, and ``text_encoder``, a T5 encoder with its tokenizer as
transformers saves them::

    {"unets": [{"dim": 64, "dim_mults": [1, 2, 4, 8]}], "imagen": {"image_sizes": [64], "timesteps": 1000}}

This module encodes the prompt and gives the encoding to the package, whose own encoder is on the Hub.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from safetensors.torch import load_model
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models.calls.outputs import to_frames
from t2vbatch.models.determinism import seeded
from t2vbatch.models.protocol import Request

_MOST_TOKENS = 256


def library() -> Any:
    """The package.

    Its import asks the Hub for the width of its default encoder, which is not used here. The patch answers
    with that width (768, of google/t5-v1_1-base), so that no job depends on the Hub.
    """
    with patch.object(T5Config, "from_pretrained", lambda _: T5Config(d_model=768)):
        return import_module("imagen_pytorch")


class ImagenVideo:
    """``pipeline: t2vbatch.models.adapters.imagen_video:ImagenVideo``"""

    NAME: ClassVar[str] = "t2vbatch:imagen-video"
    VERSION: ClassVar[str] = "1"
    CALL: ClassVar[Mapping[str, Any]] = {"num_frames": 16, "cond_scale": 3.0}
    REQUIRES: ClassVar[frozenset[str]] = frozenset({"prompt"})
    FPS: ClassVar[float] = 8.0

    def __init__(self, spec: Model, device: str) -> None:
        folder, kinds = Path(spec.path), library()
        config = json.loads((folder / "config.json").read_bytes())
        encoder: Any = T5EncoderModel.from_pretrained(folder / "text_encoder")
        self._encoder = encoder.eval().to(device)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder / "text_encoder")
        unets = [kinds.Unet3D(**unet) for unet in config["unets"]]
        self._model = kinds.Imagen(unets, text_embed_dim=encoder.config.d_model, **config["imagen"])
        load_model(self._model, folder / "model.safetensors", strict=True)
        self._model.eval().to(device)
        self._device = device
        self._fps = spec.fps or self.FPS

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel. The package uses torch's global random numbers."""
        [request] = requests
        with seeded([request.seed]), torch.no_grad():
            sampled = self._model.sample(
                text_embeds=self._encoded(str(request.prompt)),
                video_frames=request.call["num_frames"],
                cond_scale=request.call["cond_scale"],
                device=self._device,
                use_tqdm=False,
            )
        # (1, C, T, H, W) in [0, 1]
        [frames] = to_frames(sampled.permute(0, 2, 1, 3, 4), 1)
        return [Video(frames, self._fps)]

    def _encoded(self, prompt: str) -> torch.Tensor:
        """The encoding of each token, of shape (1, tokens, width)."""
        tokens = self._tokenizer(prompt, return_tensors="pt", truncation=True, max_length=_MOST_TOKENS)
        encoded: torch.Tensor = self._encoder(tokens.input_ids.to(self._device)).last_hidden_state
        return encoded
