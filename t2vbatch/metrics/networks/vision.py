"""Networks that encode single frames: DINO, DINOv2 and other vision transformers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoImageProcessor, AutoModel

from t2vbatch.metrics.networks.views import means_by_frame, normalized, resized_like_torchvision, tiles
from t2vbatch.metrics.protocol import FloatArray, Network, View
from t2vbatch.metrics.weights import Located

BATCH = 4
"""Frames per forward pass, always: another number gives other bits, and other frames beside a frame do not. A
short video wastes few frames of the last pass."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation by channel."""


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

    def images(self, frames: npt.NDArray[np.uint8], view: View = "processor") -> FloatArray:
        """See Network.images."""
        if view != "tiles":
            return unit(self._encoded(frames, view))
        parts = [tiles(frame) for frame in frames]
        features = unit(self._encoded(np.concatenate([np.stack(part) for part in parts]), "processor"))
        return unit(means_by_frame(features, [len(part) for part in parts]))

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features."""
        return self._encoded(frames, "processor")

    @torch.inference_mode()
    def _encoded(self, frames: npt.NDArray[np.uint8], view: View) -> FloatArray:
        full = np.concatenate([frames, *[frames[-1:]] * (-len(frames) % BATCH)])
        parts = [full[start : start + BATCH] for start in range(0, len(full), BATCH)]
        return np.concatenate([as_numpy(self._viewed(part, view)) for part in parts])[: len(frames)]

    def _viewed(self, frames: npt.NDArray[np.uint8], view: View) -> Any:
        if view == "vbench":
            return self._vbench(frames)
        whole = {"do_center_crop": False, "size": {"height": self._side, "width": self._side}}
        return self._features(self._pixels(frames, **(whole if view == "squash" else {})))

    def _pixels(self, frames: npt.NDArray[np.uint8], **options: Any) -> torch.Tensor:
        # The processor would take a frame of three rows for channels first.
        found = self._processor(
            list(frames), return_tensors="pt", input_data_format="channels_last", **options
        )
        pixels: torch.Tensor = found["pixel_values"]
        return pixels.to(self._device)

    @property
    def _side(self) -> int:
        """The side of the network's input in pixels."""
        config = self._model.config
        return int(getattr(config, "vision_config", config).image_size)

    def _features(self, pixels: torch.Tensor, **options: Any) -> Any:
        return self._model(pixel_values=pixels, **options).last_hidden_state[:, 0]

    def _vbench(self, frames: npt.NDArray[np.uint8]) -> Any:
        """VBench's dino_transform: the whole frame, its shorter side at the input's side, bilinear."""
        pixels = normalized(resized_like_torchvision(frames, self._side, "bilinear"), *_IMAGENET)
        # DINOv2 and DINOv3 interpolate their position encoding without being asked.
        options = {"interpolate_pos_encoding": True} if self._model.config.model_type == "vit" else {}
        return self._features(pixels.to(self._device), **options)


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
