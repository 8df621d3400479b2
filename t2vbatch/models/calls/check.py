"""Checks call arguments against a model's facts, at planning, before anything is loaded.  [pure]"""

from collections.abc import Mapping
from typing import Any

from t2vbatch.errors import ErrorCollector, ModelError, nearest
from t2vbatch.models.protocol import ModelFacts


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
        problems.add(ModelError(where, f"{count} frames", expected_frames(count, facts)))
    problems.raise_if_any()


def _unknown(where: str, argument: str, facts: ModelFacts) -> ModelError:
    pipeline = facts.pipeline.rpartition(":")[2]
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
