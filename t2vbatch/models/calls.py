"""Whether call arguments suit a model, from its facts alone: for plans, before anything is loaded.  [pure]"""

from collections.abc import Mapping
from typing import Any

from t2vbatch.errors import ModelError, nearest
from t2vbatch.models.protocol import ModelFacts


def check_call(name: str, call: Mapping[str, Any], facts: ModelFacts) -> None:
    """Refuse arguments of ``models.NAME.call`` that the model cannot take.

    Raises:
        ModelError: for the first one, with what could stand there instead.
    """
    for argument in call:
        if argument not in facts.parameters:
            raise ModelError(
                f"models.{name}.call.{argument}",
                "an argument that this pipeline's call does not take",
                nearest(argument, facts.parameters),
                f"t2vbatch models {facts.pipeline.rpartition(':')[2]} lists what it takes",
            )
    count = frame_count(call, facts)
    if count is not None and not facts.frames.allows(count):
        raise ModelError(
            f"models.{name}.call.{facts.frames_argument}", f"{count} frames", expected_frames(count, facts)
        )


def frame_count(call: Mapping[str, Any], facts: ModelFacts) -> int | None:
    """The number of frames that ``call`` asks for, where it asks for one."""
    value = call.get(facts.frames_argument) if facts.frames_argument else None
    return value if isinstance(value, int) else None


def expected_frames(count: int, facts: ModelFacts) -> str:
    """What could stand in place of a frame count that this model cannot make."""
    near = " or ".join(map(str, facts.frames.nearest(count)))
    return f"{facts.frames} frames, such as {near}"
