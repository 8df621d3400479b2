"""VideoMAE and TimeSformer: video transformers without a text encoder."""

import numpy as np
import numpy.typing as npt
import torch

from t2vbatch.metrics.networks.vision import Vision, as_numpy
from t2vbatch.metrics.protocol import FloatArray

_WITH_CLASS_TOKEN = {"timesformer"}


class VideoEncoder(Vision):
    """A video's features are its class token's; without one, the mean over all tokens, as VideoMAE's own
    classifier takes it.
    """

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
        return as_numpy(tokens[0] if first else tokens.mean(dim=0))

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features: a video network does not implement it."""
        raise self._cannot("does not encode single frames")
