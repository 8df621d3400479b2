"""The networks that metrics look with, loaded by transformers.

Always float32, and one video at a time, so that a score is the same bits whichever worker computes it.
Pictures are prepared by the PIL processor: the torchvision one rounds differently, and is not everywhere.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel
from transformers.utils import logging

from t2vbatch.errors import MetricError
from t2vbatch.metrics.protocol import Encoder, FloatArray, Text, Weights
from t2vbatch.metrics.weights import locate

BATCH = 16
"""Frames a forward pass: what the default sampling takes, and 16 pictures of 336 pixels fit any device."""


class ClipEncoder:
    """A transformers CLIPModel with its tokenizer and image processor."""

    def __init__(self, path: str, commit: str | None, device: str) -> None:
        self._device = device
        at: Any = {"pretrained_model_name_or_path": path, "revision": commit or "main"}
        model: Any = CLIPModel.from_pretrained(**at, dtype=torch.float32, use_safetensors=True)
        self._model = model.to(device).eval()
        self._processor: Any = CLIPImageProcessorPil.from_pretrained(**at)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(**at)
        self._limit = int(self._model.config.text_config.max_position_embeddings)

    @torch.inference_mode()
    def images(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features of shape (N, D) for frames of shape (N, H, W, 3), unit length."""
        parts = [self._images(frames[start : start + BATCH]) for start in range(0, len(frames), BATCH)]
        return _unit(np.concatenate(parts))

    def _images(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        pixels = self._processor(list(frames), return_tensors="pt", input_data_format="channels_last")
        output = self._model.get_image_features(pixel_values=pixels["pixel_values"].to(self._device))
        return _numpy(output.pooler_output)

    @torch.inference_mode()
    def text(self, prompt: str, long_text: str) -> Text:
        """Features of the prompt; of one past the limit by its beginning, or ``chunk_mean`` of its pieces.

        The tokenizer does the cutting, because it keeps the end token of each piece: CLIP reads the whole
        prompt at that token, and without it every long prompt looks the same.
        """
        tokens = len(self._tokenizer(prompt, verbose=False)["input_ids"])
        pieces = self._tokenizer(
            prompt, truncation=True, max_length=self._limit, return_overflowing_tokens=True
        )["input_ids"]
        read = pieces if long_text == "chunk_mean" else pieces[:1]
        features = _unit(np.concatenate([self._text(piece) for piece in read]))
        return Text(_unit(features.mean(axis=0)), tokens, truncated=len(read) < len(pieces))

    def _text(self, ids: list[int]) -> FloatArray:
        return _numpy(
            self._model.get_text_features(
                input_ids=torch.tensor([ids], device=self._device),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long, device=self._device),
            ).pooler_output
        )


ENCODERS: Mapping[str, type[ClipEncoder]] = {"clip": ClipEncoder}
"""Kind of weights: what loads them."""


def load_encoder(weights: Weights, device: str) -> Encoder:
    """Load a network onto a torch device. Raises MetricError where it cannot be had."""
    located = locate(weights)
    # The bar would break into the run's own progress line, once a worker.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return ENCODERS[weights.kind](located.path, located.commit, device)
    except (OSError, ValueError) as error:
        raise MetricError(
            f"the {weights.kind} weights {weights.path!r}",
            str(error).splitlines()[0],
            "a transformers model with safetensors weights, its tokenizer and its image processor",
        ) from error


def _numpy(features: torch.Tensor) -> FloatArray:
    return features.cpu().numpy().astype(np.float64)


def _unit(features: FloatArray) -> FloatArray:
    length: FloatArray = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / length
