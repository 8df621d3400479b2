"""Finished samples that a run would generate again, and whether the user asked for it.

Users know what an edit of rows or job costs. They may not know that the repository of a model moved, that a
library has another version, or that a file changed under its name. So the run shows what changed, and the
cost, before it starts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.estimate import digits
from t2vbatch.job import Job
from t2vbatch.plan import Plan, PlannedModel

WORTH_ASKING = 10
"""Up to this number of repeated samples, a run starts without asking."""

_KEY = ["row_id", "model", "sample_index"]

NEEDED = ["sample_id", "status", *_KEY]
"""Columns of the records that ``find_repeats`` needs."""

_TIMES = ["wait_s", "generate_s", "convert_s"]
"""Columns with the seconds of a worker; null in records of an earlier version."""

_COMPARED = ["sample_id", "prompt", "negative_prompt", "seed", "device", *_TIMES]
"""Columns that it reads of the samples that would be generated again."""

_OFTEN_WITHOUT_EFFECT = {"memory", "speed", "allow_pickle"}
"""Keys of a model of which many values change no pixel, and then are not part of the identity."""


@dataclass(frozen=True)
class Repeats:
    """Finished samples that would be generated again although the user edited neither their rows nor the job.

    Attributes:
        count: number of these samples.
        causes: what changed, as text: number of samples.
        timed: number of them whose records have a time.
        worker_hours: the time of workers that generated those.
        gpu_hours: the same in GPUs; 0 for workers without a GPU.
    """

    count: int
    causes: Mapping[str, int]
    timed: int = 0
    worker_hours: float = 0.0
    gpu_hours: float = 0.0

    def __str__(self) -> str:
        first = f"{self.count:,} finished samples would be generated again; {self._cost()}"
        return "\n".join([first, *(f"  {cause}: {count:,} samples" for cause, count in self.causes.items())])

    def _cost(self) -> str:
        if not self.timed:
            return "their records have no times"
        hours = f"{digits(self.worker_hours)} CPU worker hours"
        if self.gpu_hours:
            hours = f"{digits(self.gpu_hours)} GPU hours"
        if self.timed == self.count:
            return f"they took {hours}"
        return f"{self.timed:,} of them took {hours}, and the records of the others have no times"


def find_repeats(
    plan: Plan,
    last_plan: Callable[[], Plan | None],
    records: pa.Table,
    read: Callable[[Sequence[str]], pa.Table],
    job: Job,
    last_job: Callable[[], Job | None],
) -> Repeats:
    """The finished samples that the plan generates again although neither rows nor job were edited.

    Args:
        last_plan: reads the plan of the last run; None if this version cannot read one.
        records: with the columns NEEDED.
        read: reads other columns of the records.
        last_job: reads the job of the last run; None if this version cannot read it.
    """
    planned = pc.is_in(records["sample_id"], plan.table["sample_id"])
    lost = records.filter(pc.and_not(pc.not_equal(records["status"], "failed"), planned))
    if lost.num_rows <= WORTH_ASKING:
        return Repeats(0, {})
    pending = plan.table.filter(pc.invert(pc.is_in(plan.table["sample_id"], records["sample_id"])))
    at = pc.index_in(_keys(pending), _keys(lost).combine_chunks())
    pending, lost = pending.filter(pc.is_valid(at)), lost.take(at.drop_null())
    if lost.num_rows <= WORTH_ASKING:
        return Repeats(0, {})
    before, others = last_plan(), read(_COMPARED)
    olds = others.take(pc.index_in(lost["sample_id"], others["sample_id"].combine_chunks()))
    cause_of = _Causes(plan, before, job, last_job()).cause_of
    lines = zip(_rows(plan, pending), olds.to_pylist(), _lines_of(before, lost), strict=True)
    found = [(cause, old) for new, old, line in lines if (cause := cause_of(new, old, line))]
    causes = Counter(cause for cause, _ in found)
    return _with_cost(Repeats(len(found), dict(causes.most_common())), [old for _, old in found], job)


def _with_cost(repeats: Repeats, records: Sequence[Mapping[str, Any]], job: Job) -> Repeats:
    """The repeats with the time that these records of theirs name."""
    timed = [record for record in records if record["generate_s"] is not None]
    hours = [sum(record[name] or 0.0 for name in _TIMES) / 3600 for record in timed]
    on_gpu = (not str(record["device"]).startswith("cpu") for record in timed)
    gpu_hours = job.workers.gpus_each * sum(
        one for one, is_on_gpu in zip(hours, on_gpu, strict=True) if is_on_gpu
    )
    return replace(repeats, timed=len(timed), worker_hours=sum(hours), gpu_hours=gpu_hours)


def _keys(table: pa.Table) -> pa.ChunkedArray:
    """What stays the same when a sample gets another identity: its row, its model and its index."""
    parts = [table[name].cast(pa.string()) for name in _KEY]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _rows(plan: Plan, lines: pa.Table) -> Iterator[dict[str, Any]]:
    """Lines of the plan with what their rows hold."""
    content = plan.rows.take(lines["row"])
    for chunk in range(0, lines.num_rows, 4096):
        part, rows = lines.slice(chunk, 4096).to_pylist(), content.slice(chunk, 4096).to_pylist()
        yield from (one | row for one, row in zip(part, rows, strict=True))


def _lines_of(before: Plan | None, lost: pa.Table) -> Iterator[dict[str, Any] | None]:
    """The line of the last plan for each of these samples; None if it has no such line."""
    if before is None:
        yield from (None for _ in range(lost.num_rows))
        return
    at = pc.index_in(lost["sample_id"], before.table["sample_id"].combine_chunks())
    found = _rows(before, before.table.take(at.drop_null()))
    for valid in pc.is_valid(at).to_pylist():
        yield next(found) if valid else None


@dataclass(frozen=True)
class _Causes:
    """Why a sample has another identity than in the last plan."""

    plan: Plan
    before: Plan | None
    job: Job
    job_before: Job | None

    def cause_of(
        self, new: Mapping[str, Any], old: Mapping[str, Any], line: Mapping[str, Any] | None
    ) -> str | None:
        """What changed, as text; None if the user edited row or job, or the last plan lacks the sample."""
        if any(new[name] != old[name] for name in ("prompt", "negative_prompt", "seed")):
            return None
        if line is None:
            # A record of a version with other identities; or a sample that an earlier edit superseded.
            return None if self.before else "this version of t2vbatch computes sample identities differently"
        if self._edited(new["model"]) or _places(new) != _places(line):
            return None
        if new["call"] != line["call"]:
            return f"the defaults of model {new['model']} changed"
        if names := _changed_files(new, line):
            return f"the content of files in column {names} changed under the same name"
        return self._moved(new["model"])

    def _edited(self, model: str) -> bool:
        """Whether the user changed a key that decides what this model makes."""
        if self.job_before is None:
            return False
        job, before = self.job, self.job_before
        if job.video != before.video or job.seed != before.seed:
            return True
        now, then = job.models[model], before.models.get(model)
        if then is None:
            return True
        edited = {key for key in type(now).model_fields if getattr(now, key) != getattr(then, key)}
        return bool(edited - (_OFTEN_WITHOUT_EFFECT - self._identity_keys(model)))

    def _identity_keys(self, model: str) -> set[str]:
        """The keys of the model's identity whose values changed."""
        assert self.before is not None
        last = self.before.models.get(model)
        old, new = last.shared["model"] if last else {}, self.plan.models[model].shared["model"]
        return {key for key in {**old, **new} if old.get(key) != new.get(key)}

    def _moved(self, model: str) -> str | None:
        assert self.before is not None
        old, new = self.before.models.get(model), self.plan.models[model]
        return _difference(model, old, new) if old else None


def _difference(model: str, old: PlannedModel, new: PlannedModel) -> str | None:
    """The values of a model's identity that changed, in words."""
    before, after = dict(_leaves(old.shared)), dict(_leaves(new.shared))
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not changed:
        return None
    shown = [f"{name} {before.get(name)} -> {after.get(name)}" for name in changed[:3]]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"model {model}: {', '.join(shown)}{more}"


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{place}.{name}" if place else name)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]")
    else:
        yield place, value


def _places(line: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    return [(file["name"], file["uri"]) for file in line["media"] or ()]


def _changed_files(new: Mapping[str, Any], old: Mapping[str, Any]) -> str:
    pairs = zip(new["media"] or (), old["media"] or (), strict=True)
    return " and ".join(sorted({one["name"] for one, other in pairs if one["sha256"] != other["sha256"]}))
