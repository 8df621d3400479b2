"""clip_image: similarity of the video to its conditioning image."""

from collections.abc import Mapping
from typing import ClassVar

from t2vbatch.metrics.options import ClipOptions
from t2vbatch.metrics.protocol import Column, Evidence


class ClipImage(ClipOptions):
    """How similar the frames are to the conditioning image, by CLIP.

    Definition: ``clip_image`` is the mean over the sampled frames of cos(frame, image);
        ``clip_image_first`` is cos(first frame, image).
    Source: "CLIP-I" of DreamBooth (arXiv:2208.12242), computed against the single image of the row.
    Range: -1 to 1.
    Direction: higher is more faithful. A video without motion scores highest.
    Cost: one CLIP pass for the image; the frame features are shared with clip_temporal.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {
        "clip_image": Column("higher", -1, 1),
        "clip_image_first": Column("higher", -1, 1),
    }

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        image = evidence.image_features(self.weights[0], self.clip_view)
        cosines = self.frame_features(evidence, self.frames) @ image
        first = evidence.features_at(self.weights[0], [0], self.clip_view)[0] @ image
        return {"clip_image": float(cosines.mean()), "clip_image_first": float(first)}
