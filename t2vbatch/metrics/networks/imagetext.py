"""CLIP and SigLIP: networks that encode frames and prompts into one space."""

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoTokenizer, CLIPModel, SiglipModel

from t2vbatch.metrics.networks.views import center_crop, normalized, resized_like_torchvision
from t2vbatch.metrics.networks.vision import Vision, as_numpy, load_float32, unit
from t2vbatch.metrics.protocol import Text
from t2vbatch.metrics.weights import Located

_TEXTS = 256
"""Prompts whose features a worker keeps: far more than it has in progress."""

_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and standard deviation by channel of OpenAI's CLIP."""


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
        self._texts = lru_cache(_TEXTS)(self._encode)

    @property
    def scale(self) -> float:
        """See Network.scale."""
        return self._scale

    def text(self, prompt: str, long_text: str) -> Text:
        """See Network.text. The samples of a row share one pass of the prompt."""
        return self._texts(prompt, long_text)

    @torch.inference_mode()
    def _encode(self, prompt: str, long_text: str) -> Text:
        whole = list(self._tokenizer(prompt, verbose=False)["input_ids"])
        truncated = len(whole) > self._limit
        pieces = self._chunks(prompt, whole) if long_text == "chunk_mean" and truncated else [prompt]
        features = unit(np.concatenate([as_numpy(self._read(piece)) for piece in pieces]))
        return Text(unit(features.mean(axis=0)), len(whole), truncated=truncated and len(pieces) == 1)

    def _read(self, piece: str | list[int]) -> Any:
        """The features of a prompt, truncated to the limit, or of tokens that are padded as a prompt is.

        The tokenizer truncates a prompt, because it keeps the end token: CLIP takes its feature at that
        token, and without it every long prompt would have the same feature.
        """
        padding = "max_length" if self.padding else False
        if isinstance(piece, str):
            ids = self._tokenizer(piece, truncation=True, max_length=self._limit, padding=padding)[
                "input_ids"
            ]
        else:
            ids = self._tokenizer.pad({"input_ids": piece}, padding=padding, max_length=self._limit)[
                "input_ids"
            ]
        tokens = torch.tensor([list(ids)], device=self._device)
        return self._model.get_text_features(input_ids=tokens).pooler_output

    def _chunks(self, prompt: str, whole: list[int]) -> list[list[int]]:
        """The tokens of a long prompt in chunks of the limit, each between the special tokens of a prompt.

        Not by ``return_overflowing_tokens``: slow tokenizers return the tokens of the first chunk only, as
        a flat list.
        """
        content = list(self._tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"])
        start = next(at for at in range(len(whole)) if whole[at : at + len(content)] == content)
        before, after = whole[:start], whole[start + len(content) :]
        room = self._limit - len(before) - len(after)
        return [[*before, *content[at : at + room], *after] for at in range(0, len(content), room)]

    def _load(self, located: Located) -> Any:
        return load_float32(self.model, located)

    def _features(self, pixels: torch.Tensor, **options: Any) -> Any:
        return self._model.get_image_features(pixel_values=pixels).pooler_output

    def _vbench(self, frames: npt.NDArray[np.uint8]) -> Any:
        """VBench's clip_transform: the shorter side at the input's side, bicubic, then the middle square."""
        pixels = center_crop(resized_like_torchvision(frames, self._side, "bicubic"), self._side)
        return self._features(normalized(pixels, *_OPENAI).to(self._device))


class Siglip(Clip):
    """A transformers SiglipModel, also SigLIP 2 of fixed size. It was trained on padded prompts."""

    model = SiglipModel
    padding = True
