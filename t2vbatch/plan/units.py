"""Pending samples -> the units that pipeline calls are made of.  [pure]"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import UsageError, nearest
from t2vbatch.job import Job
from t2vbatch.plan.plan import Plan, Sample, Unit


class Units(Sequence[Unit]):
    """The units of one model, longest first, made when asked for.

    Args:
        positions: the samples in the plan, at least one.
        batch: the largest number of samples of a unit.
    """

    def __init__(self, model: str, plan: Plan, positions: npt.NDArray[np.int64], batch: int) -> None:
        self._model, self._batch = model, batch
        table = plan.table.select(["cost", "call"]).take(pa.array(positions)).combine_chunks()
        cost = table["cost"].to_numpy()
        call = table["call"].combine_chunks().indices.to_numpy()
        order = np.lexsort((positions, call, -cost))
        self._positions, self._costs = positions[order], cost[order]
        # A unit ends when its batch is full or the call changes: one call has one set of arguments.
        call = call[order]
        changes = np.flatnonzero(np.diff(call, prepend=call[:1] - 1))
        ends = np.append(changes[1:], len(call))
        runs = [np.arange(start, end, batch) for start, end in zip(changes, ends, strict=True)]
        self._starts = np.concatenate(runs)
        self._ends = np.append(self._starts[1:], len(call))

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """The samples of all units, in the order of the units."""
        return self._positions

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start, end = self._starts[index], self._ends[index]
        samples = tuple(int(position) for position in self._positions[start:end])
        return Unit(self._model, samples, float(self._costs[start]))


def position_count(units: Sequence[Unit]) -> int:
    """How many samples all units have together."""
    return len(units.positions) if isinstance(units, Units) else sum(len(unit.positions) for unit in units)


def distinct_units(plan: Plan, units: Sequence[Unit], most: int) -> tuple[tuple[Sample, ...], ...]:
    """The first units, at most ``most``, that differ in their rows or calls.

    Without those whose media are in the manifest itself, which would make a long message to a worker.
    """
    rows = plan.table["row"].to_numpy()
    calls = plan.table["call"].combine_chunks().indices.to_numpy()
    found: dict[tuple[tuple[int, int], ...], Unit] = {}
    for unit in units:
        if len(found) == most:
            break
        found.setdefault(tuple((int(rows[at]), int(calls[at])) for at in unit.positions), unit)
    planned = (tuple(map(plan.planned, unit.positions)) for unit in found.values())
    return tuple(unit for unit in planned if all(_is_small(sample) for sample in unit))


def _is_small(sample: Sample) -> bool:
    return all(item.data is None for item in sample.media.values())


@dataclass(frozen=True)
class Selection:
    """Which pending samples a run generates: at most ``limit``, and only those of the rows in ``rows``."""

    limit: int | None = None
    rows: frozenset[str] = frozenset()

    @property
    def is_partial(self) -> bool:
        """Whether it leaves anything out."""
        return self.limit is not None or bool(self.rows)


EVERYTHING = Selection()


def require_rows(plan: Plan, rows: Collection[str]) -> None:
    """Raise UsageError for a row that the plan does not have."""
    if not rows:
        return
    known = set(plan.table["row_id"].unique().to_pylist())
    for row in rows:
        if row not in known:
            hint = nearest(row, known) if len(known) <= 1000 else "a row_id of the results, or an id"
            raise UsageError(f"--only {row}", "no row with this id in the manifest", hint)


def pending(plan: Plan, records: pa.Table, job: Job, selection: Selection = EVERYTHING) -> dict[str, Units]:
    """The units of the samples without a record, by model. Samples of bad rows are in no unit.

    Samples of one identity, such as those of two models that differ only in their names, are one video: the
    first of them is generated, and its record counts for all.
    """
    identities = plan.table["sample_id"].combine_chunks()
    done = pa.chunked_array([*records["sample_id"].chunks, pa.array(list(plan.bad), pa.string())])
    missing = pc.invert(pc.is_in(identities, done))
    if plan.has_equal_samples:
        first = pc.equal(pc.index_in(identities, identities), np.arange(len(plan), dtype=np.int32))
        missing = pc.and_(first, missing)
    chosen = _chosen(plan, missing.to_numpy(zero_copy_only=False), selection)
    models = plan.table["model"].combine_chunks()
    codes = {name: code for code, name in enumerate(models.dictionary.to_pylist())}
    units = {}
    for name, model in job.models.items():
        positions = np.flatnonzero(chosen & (models.indices.to_numpy() == codes.get(name, -1)))
        if len(positions):
            units[name] = Units(name, plan, positions, model.batch_size)
    return units


def _chosen(plan: Plan, missing: npt.NDArray[np.bool_], selection: Selection) -> npt.NDArray[np.bool_]:
    """Those of the missing samples that the selection allows, the first ones of the plan."""
    if selection.rows:
        wanted = pc.is_in(plan.table["row_id"], pa.array(sorted(selection.rows)))
        missing = missing & wanted.combine_chunks().to_numpy(zero_copy_only=False)
    if selection.limit is not None:
        missing = missing & (np.cumsum(missing) <= selection.limit)
    return missing
