"""Which frame counts a model can make: from its checkpoint's configs, or as advice from its family.  [pure]

A pipeline that rounds frame counts does so by the temporal compression of its autoencoder. So a count is
refused only if the checkpoint's own config, or a constant in the pipeline's code, shows that the pipeline
would make another one. A family's typical count is advice: it may be wrong for a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from t2vbatch.models.families import ANY, Family
from t2vbatch.models.protocol import FrameRule


@dataclass(frozen=True)
class FrameCounts:
    """The counts that are allowed, and those that are advised."""

    allowed: FrameRule
    advised: FrameRule


def frame_counts(row: Family, autoencoder: Mapping[str, Any], check: bool) -> FrameCounts:
    """The counts of a model.

    Args:
        row: the row of its family.
        autoencoder: the config of its autoencoder; empty if it is unknown.
        check: False allows every count.
    """
    ratio = temporal_ratio(autoencoder)
    certain = row.fixed or (row.rounds and ratio is not None)
    if row.frames.every == 1 or not check:
        return FrameCounts(ANY, ANY)
    if not certain:
        return FrameCounts(ANY, row.frames)
    rule = row.frames if row.fixed else FrameRule(ratio or 1, min(row.frames.plus, ratio or 1))
    return FrameCounts(rule, rule)


def temporal_ratio(config: Mapping[str, Any]) -> int | None:
    """How many frames a latent of this autoencoder stands for; None if its config does not state it."""
    for key in ("temporal_compression_ratio", "scale_factor_temporal"):
        if isinstance(ratio := config.get(key), int) and ratio > 0:
            return ratio
    # Autoencoders of LTX and Wan compute the ratio from their layers.
    if isinstance(scaling := config.get("spatio_temporal_scaling"), list):
        patch = config.get("patch_size_t", 1)
        return int(patch) * 2 ** sum(map(bool, scaling)) if isinstance(patch, int) else None
    if isinstance(downsample := config.get("temperal_downsample"), list):
        return int(2 ** sum(map(bool, downsample)))
    return None


def count_notes(pipeline: str, row: Family, counts: FrameCounts, name: str | None, count: Any) -> list[str]:
    """Notes for a user whose job asks for ``count`` frames by the call argument ``name``."""
    notes = [f"{pipeline}: {row.note}"] if row.note else []
    if not isinstance(count, int) or counts.advised.allows(count):
        return notes
    near = " or ".join(map(str, counts.advised.nearest(count)))
    advice = f"{pipeline} is made for {counts.advised} frames, such as {near}; it may make another number"
    return [*notes, f"{name}: {count}; {advice}"]
