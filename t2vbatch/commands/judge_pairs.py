"""The pairs of videos that a judge compares: two models on one prompt and seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa

from t2vbatch.analysis.compare import models_by_name
from t2vbatch.canonical import digest
from t2vbatch.commands.compare import read_results

_OUTPUT = "output of the judge"


@dataclass(frozen=True)
class Side:
    """One video of a pair.

    Attributes:
        has_sound: whether the video has sound.
        problem: why the video cannot be judged; None if it can.
    """

    model: str
    output: str
    sample_id: str
    video: str | None
    fps: float | None
    has_sound: bool
    problem: str | None


@dataclass(frozen=True)
class VideoPair:
    """Two videos of one prompt and seed."""

    row_id: str
    seed: int
    prompt: str | None
    left: Side
    right: Side

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Row, seed and both models; a file has one vote for each key."""
        return self.row_id, self.seed, self.left.model, self.right.model


def all_pairs(outputs: Sequence[str]) -> Iterator[VideoPair]:
    """All pairs of models on shared rows and seeds, in a fixed order that looks random.

    The first N pairs are therefore an even sample of the prompts. A pair of two failed videos is left out.
    """
    tables = {
        label: table.append_column(_OUTPUT, pa.array([uri] * table.num_rows, pa.string()))
        for uri, (label, table) in zip(outputs, read_results(outputs).items(), strict=True)
    }
    columns = ["sample_id", "row_id", "seed", "prompt", "status", "video", "fps", "audio_rate_hz", _OUTPUT]
    models = {
        name: {(row["row_id"], row["seed"]): row for row in table.select(columns).to_pylist()}
        for name, table in models_by_name(tables).items()
    }
    pairs = [
        VideoPair(
            *key,
            models[left][key]["prompt"],
            _side(left, models[left][key]),
            _side(right, models[right][key]),
        )
        for left, right in combinations(models, 2)
        for key in models[left].keys() & models[right].keys()
    ]
    judged = [pair for pair in pairs if not (pair.left.problem and pair.right.problem)]
    return iter(sorted(judged, key=lambda pair: digest(list(pair.key))))


def _side(model: str, row: Mapping[str, Any]) -> Side:
    problem = None if row["status"] == "ok" and row["video"] else str(row["status"])
    has_sound = row["audio_rate_hz"] is not None
    return Side(model, row[_OUTPUT], row["sample_id"], row["video"], row["fps"], has_sound, problem)


def decision(pair: VideoPair) -> dict[str, Any]:
    """The vote on a pair with one failed or degenerate video: the other video wins."""
    bad = pair.left if pair.left.problem else pair.right
    return {"p_left": 0.0 if bad is pair.left else 1.0, "reason": f"{bad.model}: {bad.problem}"}
