"""X-CLIP: encodes a sequence of frames, and conditions the prompt's features on the video."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoTokenizer, XCLIPModel

from t2vbatch.metrics.networks.vision import Vision, load_float32
from t2vbatch.metrics.protocol import Match
from t2vbatch.metrics.weights import Located


class XClip(Vision):
    """A transformers XCLIPModel."""

    def __init__(self, located: Located, device: str) -> None:
        super().__init__(located, device)
        processor, at = located.processor
        self._tokenizer: Any = AutoTokenizer.from_pretrained(processor, **at)
        self._limit = int(self._model.config.text_config.max_position_embeddings)

    @property
    def frames(self) -> int:
        """See Network.frames."""
        return int(self._model.config.vision_config.num_frames)

    @torch.inference_mode()
    def match(self, frames: npt.NDArray[np.uint8], prompt: str) -> Match:
        """See Network.match."""
        tokens = len(self._tokenizer(prompt, verbose=False)["input_ids"])
        text = self._tokenizer(prompt, truncation=True, max_length=self._limit, return_tensors="pt")
        pixels = self._pixels(frames)
        output = self._model(
            input_ids=text["input_ids"].to(self._device),
            pixel_values=pixels.reshape(1, *pixels.shape[-4:]),
        )
        cosine = torch.cosine_similarity(output.video_embeds[0], output.text_embeds[0, 0], dim=0)
        return Match(float(cosine), tokens, truncated=tokens > self._limit)

    def _load(self, located: Located) -> Any:
        return load_float32(XCLIPModel, located)
