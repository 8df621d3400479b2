"""Networks that encode single frames: DINO, DINOv2 and other vision transformers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoImageProcessor, AutoModel

from t2vbatch.metrics.protocol import FloatArray, Network
from t2vbatch.metrics.weights import Located

BATCH = 16
"""Frames per forward pass: the default number of sampled frames; 16 images of 336 pixels fit any device."""


class Vision(Network):
    """A transformers vision model; the class token gives the features of a frame."""

    def __init__(self, located: Located, device: str) -> None:
        self._device = device
        self._model: Any = self._load(located).to(device).eval()
        processor, at = located.processor
        pil: Any = AutoImageProcessor
        self._processor: Any = pil.from_pretrained(processor, **at, backend="pil")

    def _load(self, located: Located) -> Any:
        return load_float32(AutoModel, located)

    def images(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.images."""
        return unit(self.frame_features(frames))

    @torch.inference_mode()
    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features."""
        parts = [frames[start : start + BATCH] for start in range(0, len(frames), BATCH)]
        return np.concatenate([as_numpy(self._features(self._pixels(part))) for part in parts])

    def _pixels(self, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
        # The processor would take a frame of three rows for channels first.
        found = self._processor(list(frames), return_tensors="pt", input_data_format="channels_last")
        pixels: torch.Tensor = found["pixel_values"]
        return pixels.to(self._device)

    def _features(self, pixels: torch.Tensor) -> Any:
        return self._model(pixel_values=pixels).last_hidden_state[:, 0]


def load_float32(kind: Any, located: Located) -> Any:
    """A transformers model with safetensors weights, in float32."""
    return kind.from_pretrained(located.path, **located.at, dtype=torch.float32, use_safetensors=True)


def as_numpy(features: torch.Tensor) -> FloatArray:
    """Features as float64, so that later arithmetic does not round further."""
    return features.cpu().numpy().astype(np.float64)


def unit(features: FloatArray) -> FloatArray:
    """The vectors scaled to length 1."""
    length: FloatArray = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / length
