"""Models as makers of samples: a row's call, its cost, and why a model cannot generate it.  [pure]"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from t2vbatch.canonical import NotCanonicalError, canonical, digest
from t2vbatch.errors import ModelError, Problem
from t2vbatch.job import Job
from t2vbatch.manifest import Manifest, Row
from t2vbatch.manifest.columns import MEDIA, likely
from t2vbatch.models.calls.check import (
    cell_values,
    check_call,
    expected_frames,
    frame_count,
    suited_call,
    value_problems,
)
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan.names import safe_name

MAX_SEED = 2**63 - 1
"""The largest seed; a generator takes a signed 64-bit integer."""

_IDENTITY_VERSION = 1


@dataclass(frozen=True)
class Maker:
    """What turns rows into samples of one model; the parts that all rows share are digested once."""

    name: str
    job: Job
    facts: ModelFacts
    call: Mapping[str, Any]
    shared: str
    folder: str

    @classmethod
    def of(cls, name: str, job: Job, facts: ModelFacts) -> "Maker":
        model = job.models[name]
        check_call(name, model.call, facts, job.limits)
        try:
            canonical(model.call)
        except NotCanonicalError as error:
            raise ModelError(f"models.{name}.call", str(error), "values with a canonical form") from None
        shared = {
            "version": _IDENTITY_VERSION,
            "model": facts.identity,
            "batch": model.batch,
            "fps": float(model.fps or facts.fps),
            "video": job.video.model_dump(),
        }
        if model.retry_degenerate:
            shared["retry_degenerate"] = model.retry_degenerate
        return cls(name, job, facts, {**facts.call, **model.call}, digest(shared), safe_name(name))

    def call_of(self, row: Row) -> dict[str, Any]:
        """The row's call arguments: the model's, the job's, then the row's columns, but no array files."""
        return suited_call({**self.call, **cell_values(row.columns, self.facts)}, self.facts)

    def cost_of(self, call: Mapping[str, Any]) -> float:
        cost = 1.0
        for argument in ("num_frames", "video_length", "height", "width", "num_inference_steps"):
            value = call.get(argument, self.facts.signature.get(argument))
            if isinstance(value, int | float) and value > 0:
                cost *= value
        return cost

    def lacks(self, row: Row) -> str | None:
        """The column that this model cannot do without and the row has not, if there is one."""
        fills = self.facts.fills
        given = {fills.get(name, name) for name in row.media}
        given |= {"prompt"} if row.prompt is not None else set()
        missing = sorted(name for name in self.facts.requires if fills.get(name, name) not in given)
        return missing[0] if missing else None


def makers_of(row: Row, makers: Mapping[str, Maker]) -> Iterable[Maker]:
    """The models that generate the row; all models for a row that names only unknown ones, which is bad."""
    named = [makers[name] for name in row.models or () if name in makers]
    return named or makers.values()


def place_of(manifest: Manifest, row: Row) -> Problem:
    return Problem(f"{manifest.source}, row with id {row.row_id!r}", None, None, "", "")


def row_problem(manifest: Manifest, row: Row, makers: Mapping[str, Maker], job: Job) -> Problem | None:
    """The first reason why the row cannot be generated, if there is one."""
    at = place_of(manifest, row)
    unknown = [name for name in row.models or () if name not in makers]
    if unknown:
        expected = f"a model of the job: {', '.join(makers)}"
        return replace(at, column="model", found=repr(unknown[0]), expected=expected)
    if row.seed is not None and row.seed > MAX_SEED + 1 - job.samples:
        found = f"{row.seed} for {job.samples} samples, whose seeds are seed + 0, seed + 1, ..."
        return replace(at, column="seed", found=found, expected=f"at most {MAX_SEED + 1 - job.samples}")
    problems = (_problem_of(at, row, maker) for maker in makers_of(row, makers))
    return next((problem for problem in problems if problem is not None), None)


def _problem_of(at: Problem, row: Row, maker: Maker) -> Problem | None:
    """The first reason why this model cannot generate the row, if there is one."""
    column, call, facts = maker.lacks(row), maker.call_of(row), maker.facts
    if column is not None:
        expected = f"a {column}, which model {maker.name!r} needs; or a model column that leaves it out"
        return replace(at, column=column, found="nothing", expected=expected)
    if unusable := sorted(row.media.keys() & facts.lacking.keys()):
        package = facts.lacking[unusable[0]]
        expected = f"{package}, which model {maker.name!r} needs for it: pip install {package}"
        return replace(at, column=unusable[0], found="a package missing here", expected=expected)
    for argument, found, expected in value_problems(call, facts, maker.job.limits):
        return replace(at, column=argument, found=found, expected=expected)
    count = frame_count(call, facts)
    if count is not None and not facts.frames.allows(count):
        found, expected = f"{count} frames", expected_frames(count, facts)
        return replace(at, column=facts.frames_argument, found=found, expected=expected)
    try:
        canonical(call)
    except NotCanonicalError as error:
        return replace(at, found=str(error), expected="call arguments with a canonical form")
    return None


def misspelt(columns: Iterable[str], models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """A sentence for each column that is nearly an argument, but stays an extra column."""
    arguments = frozenset().union(*(facts.parameters for facts in models.values()))
    for column in columns:
        if column not in arguments and (close := likely(column, arguments)):
            yield f"column {column!r} is an extra column, not an argument; did you mean {close!r}?"


def unused(columns: Iterable[str], models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """A sentence for each column of media, or with an argument's name, that no model uses."""
    for column in columns:
        takers = sorted(name for name, facts in models.items() if column in facts.reserved)
        if takers and not any(column in facts.inputs | facts.parameters for facts in models.values()):
            advice = models[takers[0]].reserved[column]
            yield f"column {column!r} is not used: t2vbatch sets that argument itself; {advice}"
        elif column in MEDIA and not any(column in facts.accepts for facts in models.values()):
            yield f"column {column!r} is not used: no model of the job takes it"
