"""Rows x models x indices -> samples: identity, seeds, units.  [pure]

Interface under construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from t2vbatch.manifest import Media


@dataclass(frozen=True)
class Sample:
    """One video to make, with all that a worker needs to make and record it."""

    sample_id: str
    row_id: str
    model: str
    sample_index: int
    seed: int
    video: str
    prompt: str | None
    negative_prompt: str | None
    media: Mapping[str, Media] = field(default_factory=dict)
    media_sha256: Mapping[str, str] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """The samples that one pipeline call makes together, by their positions in the plan.

    Attributes:
        cost: frames x pixels x steps of one sample; what units are ordered by, longest first.
    """

    model: str
    samples: tuple[int, ...]
    cost: float
