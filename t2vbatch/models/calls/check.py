"""Checks call arguments against a model's facts, at planning, before anything is loaded.  [pure]"""

import json
from collections.abc import Mapping
from typing import Any

from t2vbatch.errors import ErrorCollector, ModelError, nearest
from t2vbatch.models.protocol import ModelFacts

WAY_AROUND = "use such a count; or set frames: any for the model, to pass every count to the pipeline"
"""What to do about a frame count that a model cannot make."""


def check_call(name: str, call: Mapping[str, Any], facts: ModelFacts) -> None:
    """Refuse arguments of ``models.NAME.call`` that the model cannot take.

    Raises:
        ModelError: with what could stand there instead; a CombinedJobError for several.
    """
    problems = ErrorCollector()
    for argument in call:
        if argument not in facts.parameters:
            problems.add(_unknown(f"models.{name}.call.{argument}", argument, facts))
    count = frame_count(call, facts)
    if count is not None and not facts.frames.allows(count):
        where = f"models.{name}.call.{facts.frames_argument}"
        problems.add(ModelError(where, f"{count} frames", expected_frames(count, facts), WAY_AROUND))
    problems.raise_if_any()


def _unknown(where: str, argument: str, facts: ModelFacts) -> ModelError:
    pipeline = facts.pipeline.rpartition(":")[2]
    if argument in facts.reserved:
        return ModelError(
            where, f"an argument that {pipeline} takes but t2vbatch sets", fix=facts.reserved[argument]
        )
    found = f"an argument that the call of {pipeline} does not take"
    listed = (
        f"t2vbatch models {pipeline} lists what it takes" if facts.pipeline.startswith("diffusers:") else ""
    )
    return ModelError(where, found, nearest(argument, facts.parameters), listed)


def frame_count(call: Mapping[str, Any], facts: ModelFacts) -> int | None:
    """The number of frames that ``call`` asks for, where it asks for one."""
    value = call.get(facts.frames_argument) if facts.frames_argument else None
    return value if isinstance(value, int) else None


def expected_frames(count: int, facts: ModelFacts) -> str:
    """The frame counts that this model can make, with the nearest ones."""
    near = " or ".join(map(str, facts.frames.nearest(count)))
    return f"{facts.frames} frames, such as {near}"


def cell_values(columns: Mapping[str, Any], facts: ModelFacts) -> dict[str, Any]:
    """The call arguments among a row's columns. A text such as ``[1, 2]``, as in CSV, becomes a list."""
    return {
        name: _listed(value) if name in facts.arrays else value
        for name, value in columns.items()
        if name in facts.parameters
    }


def _listed(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
