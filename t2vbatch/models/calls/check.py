"""Checks call arguments against a model's facts, at planning, before anything is loaded.  [pure]"""

from collections.abc import Iterator, Mapping
from typing import Any

from t2vbatch.errors import ErrorCollector, ModelError, nearest
from t2vbatch.job import Limits
from t2vbatch.manifest.typing_csv import recognised
from t2vbatch.models.calls.value_kinds import ANY, LIST, NO_LIMIT, argument_problem, size_problem, suited
from t2vbatch.models.protocol import ModelFacts

WAY_AROUND = "use such a count; or set frames: any for the model, to pass every count to the pipeline"
"""What to do about a frame count that a model cannot make."""


UNLIMITED = Limits(
    height=NO_LIMIT, width=NO_LIMIT, num_frames=NO_LIMIT, num_inference_steps=NO_LIMIT, video_bytes=2**200
)
"""For checks before the job's limits are known."""


def check_call(name: str, call: Mapping[str, Any], facts: ModelFacts, limits: Limits = UNLIMITED) -> None:
    """Refuse arguments of ``models.NAME.call`` that the model cannot take.

    Raises:
        ModelError: with what could stand there instead; a CombinedJobError for several.
    """
    problems = ErrorCollector()
    for argument in call:
        if argument not in facts.parameters:
            problems.add(_unknown(f"models.{name}.call.{argument}", argument, facts))
    for argument, found, expected in value_problems(call, facts, limits):
        problems.add(ModelError(f"models.{name}.call.{argument}", found, expected))
    count = frame_count(call, facts)
    if count is not None and not facts.frames.allows(count):
        where = f"models.{name}.call.{facts.frames_argument}"
        problems.add(ModelError(where, f"{count} frames", expected_frames(count, facts), WAY_AROUND))
    problems.raise_if_any()


def value_problems(
    call: Mapping[str, Any], facts: ModelFacts, limits: Limits
) -> Iterator[tuple[str, str, str]]:
    """Argument, found and expected, for every value that does not suit its argument."""
    for argument, value in call.items():
        kinds = facts.kinds.get(argument, ANY)
        problem = argument_problem(argument, suited(value, kinds), kinds, limits)
        if problem is not None and argument in facts.parameters:
            yield argument, *problem
    if (too_large := size_problem({**facts.signature, **facts.call, **call}, limits)) is not None:
        yield too_large


def suited_call(call: Mapping[str, Any], facts: ModelFacts) -> dict[str, Any]:
    """The call with every value in the form that its argument takes."""
    return {name: suited(value, facts.kinds.get(name, ANY)) for name, value in call.items()}


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
    """The number of frames that ``call`` asks for; None if it asks for none."""
    value = call.get(facts.frames_argument) if facts.frames_argument else None
    return value if isinstance(value, int) else None


def expected_frames(count: int, facts: ModelFacts) -> str:
    """The frame counts that this model can make, with the nearest ones."""
    near = " or ".join(map(str, facts.frames.nearest(count)))
    return f"{facts.frames} frames, such as {near}"


def cell_values(columns: Mapping[str, Any], facts: ModelFacts, textual: bool = False) -> dict[str, Any]:
    """The call arguments among a row's columns. A text such as ``[1, 2]``, as in CSV, becomes a list.

    Args:
        textual: the manifest has only text cells. A cell that another row made a text is then read by itself,
            so that one wrong cell spoils its own row alone.
    """
    values = {}
    for name, value in columns.items():
        if name in facts.parameters:
            kinds = facts.kinds.get(name, ANY)
            if textual and isinstance(value, str) and kinds and "text" not in kinds:
                value = recognised(value.strip())
            values[name] = suited(value, LIST) if name in facts.arrays else value
    return values
