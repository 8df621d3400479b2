"""The dimensions of VBench, VBench-I2V and VBench-2.0: ranges, weights and groups, as their leaderboards
use them.

Source: ``scripts/constant.py`` and ``scripts/cal_final_score.py``, ``scripts/cal_i2v_final_score.py``, and
the files of the same names in ``VBench-2.0/scripts`` of the repository Vchitect/VBench. Their scores are
computed elsewhere and imported as columns ``vbench_DIMENSION``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from t2vbatch.metrics.protocol import Column

PREFIX = "vbench_"


@dataclass(frozen=True)
class Dimension:
    """One dimension of a benchmark.

    Attributes:
        low, high: the scores that the leaderboard maps to 0 and 1.
        weight: weight within its group.
    """

    low: float = 0.0
    high: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's total: a weighted mean of groups, each a weighted mean of dimensions.

    Attributes:
        groups: group: dimension: its constants.
        weights: group: its weight in the total.
    """

    name: str
    groups: Mapping[str, Mapping[str, Dimension]]
    weights: Mapping[str, float]


_SUBJECT = Dimension(0.1462)
_BACKGROUND = Dimension(0.2615)
_SMOOTHNESS = Dimension(0.706, 0.9975)
_DYNAMIC = Dimension(weight=0.5)
_TEXT = Dimension(0.0, 0.364)

VBENCH = Benchmark(
    "VBench",
    {
        "quality": {
            "subject_consistency": _SUBJECT,
            "background_consistency": _BACKGROUND,
            "temporal_flickering": Dimension(0.6293),
            "motion_smoothness": _SMOOTHNESS,
            "aesthetic_quality": Dimension(),
            "imaging_quality": Dimension(),
            "dynamic_degree": _DYNAMIC,
        },
        "semantic": {
            "object_class": Dimension(),
            "multiple_objects": Dimension(),
            "human_action": Dimension(),
            "color": Dimension(),
            "spatial_relationship": Dimension(),
            "scene": Dimension(0.0, 0.8222),
            "appearance_style": Dimension(0.0009, 0.2855),
            "temporal_style": _TEXT,
            "overall_consistency": _TEXT,
        },
    },
    {"quality": 4, "semantic": 1},
)

VBENCH_I2V = Benchmark(
    "VBench-I2V",
    {
        "quality": {
            "subject_consistency": _SUBJECT,
            "background_consistency": _BACKGROUND,
            "motion_smoothness": _SMOOTHNESS,
            "dynamic_degree": _DYNAMIC,
            "aesthetic_quality": Dimension(),
            "imaging_quality": Dimension(),
        },
        "i2v": {
            "camera_motion": Dimension(weight=0.1),
            "i2v_subject": _SUBJECT,
            "i2v_background": _BACKGROUND,
        },
    },
    {"quality": 1, "i2v": 1},
)

VBENCH_2 = Benchmark(
    "VBench-2.0",
    {
        "creativity": dict.fromkeys(("Composition", "Diversity"), Dimension()),
        "commonsense": dict.fromkeys(("Instance_Preservation", "Motion_Rationality"), Dimension()),
        "controllability": dict.fromkeys(
            (
                "Camera_Motion",
                "Complex_Landscape",
                "Complex_Plot",
                "Dynamic_Attribute",
                "Dynamic_Spatial_Relationship",
                "Human_Interaction",
                "Motion_Order_Understanding",
            ),
            Dimension(),
        ),
        "human fidelity": dict.fromkeys(("Human_Anatomy", "Human_Clothes", "Human_Identity"), Dimension()),
        "physics": dict.fromkeys(
            ("Material", "Mechanics", "Multi-View_Consistency", "Thermotics"), Dimension()
        ),
    },
    dict.fromkeys(("creativity", "commonsense", "controllability", "human fidelity", "physics"), 1),
)

BENCHMARKS = (VBENCH, VBENCH_I2V, VBENCH_2)

_OF_CHANGE = frozenset({"temporal_flickering", "motion_smoothness"})
"""Dimensions that measure change from one frame to the next."""

VBENCH_COLUMNS: Mapping[str, Column] = {
    PREFIX + dimension: Column("higher", 0, 1, by_rate=dimension in _OF_CHANGE)
    for benchmark in BENCHMARKS
    for group in benchmark.groups.values()
    for dimension in group
}
"""The score columns of all dimensions. Higher is better in each, as in the totals of the leaderboards."""
