"""CLIP and SigLIP: networks that encode frames and prompts into one space."""

from typing import Any, ClassVar

import numpy as np
import torch
from transformers import AutoTokenizer, CLIPModel, SiglipModel

from t2vbatch.metrics.networks.vision import Vision, as_numpy, load_float32, unit
from t2vbatch.metrics.protocol import Text
from t2vbatch.metrics.weights import Located


class Clip(Vision):
    """A transformers CLIPModel."""

    model: ClassVar[Any] = CLIPModel
    padding: ClassVar[bool] = False

    def __init__(self, located: Located, device: str) -> None:
        super().__init__(located, device)
        processor, at = located.processor
        self._tokenizer: Any = AutoTokenizer.from_pretrained(processor, **at)
        self._limit = int(self._model.config.text_config.max_position_embeddings)
        self._scale = float(self._model.logit_scale.detach().exp())

    @property
    def scale(self) -> float:
        """See Network.scale."""
        return self._scale

    @torch.inference_mode()
    def text(self, prompt: str, long_text: str) -> Text:
        """See Network.text.

        The tokenizer does the cutting, because it keeps the end token of each piece: CLIP reads the whole
        prompt at that token, and without it every long prompt looks the same.
        """
        tokens = len(self._tokenizer(prompt, verbose=False)["input_ids"])
        pieces = self._tokenizer(
            prompt,
            truncation=True,
            max_length=self._limit,
            padding="max_length" if self.padding else False,
            return_overflowing_tokens=True,
        )["input_ids"]
        read = pieces if long_text == "chunk_mean" else pieces[:1]
        features = unit(np.concatenate([as_numpy(self._read(piece)) for piece in read]))
        return Text(unit(features.mean(axis=0)), tokens, truncated=len(read) < len(pieces))

    def _load(self, located: Located) -> Any:
        return load_float32(self.model, located)

    def _features(self, pixels: torch.Tensor) -> Any:
        return self._model.get_image_features(pixel_values=pixels).pooler_output

    def _read(self, ids: list[int]) -> Any:
        tokens = torch.tensor([ids], device=self._device)
        return self._model.get_text_features(input_ids=tokens).pooler_output


class Siglip(Clip):
    """A transformers SiglipModel, also SigLIP 2 of fixed size. It was trained on padded prompts."""

    model = SiglipModel
    padding = True
