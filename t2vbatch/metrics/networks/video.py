"""VideoMAE and TimeSformer: video transformers without a text encoder."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, VideoMAEForVideoClassification

from t2vbatch.metrics.networks.vision import Vision, as_numpy, load_float32
from t2vbatch.metrics.protocol import FloatArray
from t2vbatch.metrics.weights import Located

_WITH_CLASS_TOKEN = {"timesformer"}


class VideoEncoder(Vision):
    """TimeSformer's class token, or the mean over VideoMAE's tokens.

    A fine-tuned VideoMAE normalizes this mean with the layer ``fc_norm`` of its classifier, and so do the
    features.
    """

    _norm: Any = None

    def _load(self, located: Located) -> Any:
        config: Any = AutoConfig.from_pretrained(located.path, **located.at)
        if "VideoMAEForVideoClassification" not in (config.architectures or ()):
            return super()._load(located)
        classifier = load_float32(VideoMAEForVideoClassification, located)
        if classifier.fc_norm is not None:
            self._norm = classifier.fc_norm.to(self._device).eval()
        return classifier.videomae

    @property
    def frames(self) -> int:
        """See Network.frames."""
        return int(self._model.config.num_frames)

    @torch.inference_mode()
    def video_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.video_features. Raises ValueError if the number of frames is not the network's."""
        if len(frames) != self.frames:
            raise ValueError(f"the network takes {self.frames} frames, not {len(frames)}")
        pixels = self._pixels(frames)
        tokens = self._model(pixel_values=pixels.reshape(1, *pixels.shape[-4:])).last_hidden_state[0]
        first = self._model.config.model_type in _WITH_CLASS_TOKEN
        mean = tokens[0] if first else tokens.mean(dim=0)
        return as_numpy(mean if self._norm is None else self._norm(mean))

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features: a video network does not implement it."""
        raise self._cannot("does not encode single frames")
