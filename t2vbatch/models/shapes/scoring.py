"""Use of the scorer: cosines of a video's frames with captions, and the choice of the best caption.

Jobs use the metrics in t2vbatch/metrics; this is the plain definition, for the figures in CARD.md.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPModel, CLIPProcessor

from t2vbatch.models.shapes.captions import neighbours, plain_caption
from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.world import COLOURS, MOTIONS, Scene


class ShapeScorer:
    """The mean over a video's frames of cos(frame, caption), for many captions at once."""

    def __init__(self, folder: Path) -> None:
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = CLIPProcessor.from_pretrained(folder, backend="pil")
        self._known: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def scores(self, video: NDArray[np.uint8], captions: Sequence[str]) -> NDArray[np.float64]:
        """(T, H, W, 3) uint8 and N captions -> N cosines in [-1, 1]."""
        images = self.processor.image_processor(list(video), return_tensors="pt")
        frames = self.model.get_image_features(**images).pooler_output
        frames = torch.nn.functional.normalize(frames, dim=-1)
        cosines = frames @ torch.stack([self._embed(caption) for caption in captions]).T
        result: NDArray[np.float64] = cosines.mean(dim=0).double().numpy()
        return result

    @torch.no_grad()
    def _embed(self, caption: str) -> torch.Tensor:
        if caption not in self._known:
            tokens = self.processor.tokenizer([caption], truncation=True, return_tensors="pt")
            text = self.model.get_text_features(**tokens).pooler_output[0]
            self._known[caption] = torch.nn.functional.normalize(text, dim=-1)
        return self._known[caption]


def picks_right_caption(
    scorer: ShapeScorer, video: NDArray[np.uint8], scene: Scene, rng: random.Random
) -> bool:
    """Whether the scene's own caption beats 7 that each differ from it in one word."""
    others = rng.sample(neighbours(scene), 7)
    captions = [plain_caption(scene), *(plain_caption(other) for other in others)]
    return int(scorer.scores(video, captions).argmax()) == 0


def read_by_clip(scorer: ShapeScorer, video: NDArray[np.uint8], scene: Scene) -> dict[str, str]:
    """The colour, shape and motion whose captions score best, the scene's other attributes being fixed."""
    options = {"colour": tuple(COLOURS), "shape": SHAPES, "motion": MOTIONS}
    family = [scene, *neighbours(scene)]
    scores = scorer.scores(video, [plain_caption(other) for other in family])
    answers = {}
    for name in options:
        rest = [key for key in options if key != name]
        rows = [i for i, s in enumerate(family) if all(getattr(s, k) == getattr(scene, k) for k in rest)]
        answers[name] = str(getattr(family[max(rows, key=lambda i: scores[i])], name))
    return answers
