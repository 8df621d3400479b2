"""The scores of VBench's leaderboards: dimensions, groups and total of a model, from imported scores.  [pure]

A group is the weighted mean of its dimensions, each mapped to 0 to 1 by its range; the total is the
weighted mean of the groups. Intervals have the prompt as unit: a prompt that is in several dimensions
moves all of them together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.intervals import LEVEL, Interval, score_interval
from t2vbatch.analysis.student import student_t
from t2vbatch.analysis.summary import prompts_of
from t2vbatch.analysis.text_table import Table
from t2vbatch.metrics.vbench import BENCHMARKS, PREFIX, Benchmark, Dimension

FloatArray = npt.NDArray[np.float64]
TOTAL = "total"


@dataclass(frozen=True)
class BenchmarkScore:
    """One number of a leaderboard, from 0 to 1.

    Attributes:
        kind: ``dimension`` (the mean score, as leaderboards show it), ``group`` or ``total``.
        value: None if a dimension has no scores, with ``missing`` naming them.
        videos, prompts: the scores behind it.
    """

    name: str
    kind: str
    value: Interval | None
    videos: int
    prompts: int
    missing: tuple[str, ...] = ()


def totals(results: pa.Table, model: str) -> dict[str, tuple[BenchmarkScore, ...]]:
    """Benchmark: its lines for one model, for every benchmark of which the results have a dimension.

    Args:
        results: with columns ``vbench_DIMENSION``; only ok videos count.
    """
    wanted = pc.and_(pc.equal(results["model"], model), pc.equal(results["status"], "ok"))
    own = results.filter(wanted)
    found = {benchmark.name: tuple(_lines(own, benchmark)) for benchmark in BENCHMARKS}
    present = {name for name, lines in found.items() if _own_dimensions(name, lines)}
    return {name: lines for name, lines in found.items() if name in present}


def _own_dimensions(name: str, lines: tuple[BenchmarkScore, ...]) -> bool:
    """Whether a dimension has scores that only this benchmark has; VBench-I2V shares six with VBench."""
    mine = {line.name for line in lines if line.kind == "dimension" and line.videos}
    others = {
        dim for other in BENCHMARKS if other.name != name for group in other.groups.values() for dim in group
    }
    return bool(mine - others)


@dataclass(frozen=True)
class _Scores:
    """The scores of one dimension: values and prompts of its videos."""

    values: FloatArray
    prompts: npt.NDArray[np.intp]

    @property
    def interval(self) -> Interval | None:
        """The mean with its interval; None without scores."""
        return score_interval(self.values, self.prompts) if len(self.values) else None

    def influence(self, count: int) -> FloatArray:
        """How much each prompt moves the mean, shape (count,); its sum is 0."""
        return np.bincount(self.prompts, self.values - self.values.mean(), count) / float(len(self.values))


def _lines(results: pa.Table, benchmark: Benchmark) -> Iterator[BenchmarkScore]:
    prompts = prompts_of(results)
    count = int(prompts.max(initial=-1)) + 1
    dimensions = {name: dim for group in benchmark.groups.values() for name, dim in group.items()}
    scores = {name: _scores(results, name, prompts) for name in dimensions}
    for name, found in scores.items():
        missing = () if len(found.values) else (name,)
        yield BenchmarkScore(
            name, "dimension", found.interval, len(found.values), len(np.unique(found.prompts)), missing
        )
    whole: dict[str, float] = {}
    for group, members in benchmark.groups.items():
        shares = _shares(members)
        yield _combined(group, "group", shares, dimensions, scores, count)
        weight = benchmark.weights[group] / sum(benchmark.weights.values())
        whole |= {name: weight * share for name, share in shares.items()}
    yield _combined(TOTAL, TOTAL, whole, dimensions, scores, count)


def _scores(results: pa.Table, dimension: str, prompts: npt.NDArray[np.intp]) -> _Scores:
    if PREFIX + dimension not in results.column_names:
        return _Scores(np.zeros(0), np.zeros(0, np.intp))
    values = results[PREFIX + dimension].to_numpy().astype(float)
    there = np.isfinite(values)
    return _Scores(values[there], prompts[there])


def _shares(members: Mapping[str, Dimension]) -> dict[str, float]:
    """The share of each dimension in its group."""
    total = sum(dimension.weight for dimension in members.values())
    return {name: dimension.weight / total for name, dimension in members.items()}


def _combined(
    name: str,
    kind: str,
    shares: Mapping[str, float],
    dimensions: Mapping[str, Dimension],
    scores: Mapping[str, _Scores],
    count: int,
) -> BenchmarkScore:
    """A weighted mean of dimensions, with an interval from the influence of each prompt on it.

    An interval that is not reliable makes that of the whole unreliable.
    """
    missing = tuple(dim for dim in shares if not len(scores[dim].values))
    if missing:
        return BenchmarkScore(name, kind, None, 0, 0, missing)
    value, influence = 0.0, np.zeros(count)
    for dim, share in shares.items():
        low, span = dimensions[dim].low, dimensions[dim].high - dimensions[dim].low
        value += share * (float(scores[dim].values.mean()) - low) / span
        influence += share / span * scores[dim].influence(count)
    videos = sum(len(scores[dim].values) for dim in shares)
    used = len(np.unique(np.concatenate([scores[dim].prompts for dim in shares])))
    parts = (scores[dim].interval for dim in shares)
    caution = next((part.caution for part in parts if part is not None and part.caution), None)
    if used < 2:
        return BenchmarkScore(name, kind, Interval(value, None, None, caution), videos, used)
    error = sqrt(used / (used - 1) * float(influence @ influence))
    reach = student_t((1 + LEVEL) / 2, used - 1) * error
    return BenchmarkScore(name, kind, Interval(value, value - reach, value + reach, caution), videos, used)


def totals_table(
    lines: Mapping[str, tuple[BenchmarkScore, ...]], published: Mapping[str, Mapping[str, float]]
) -> Table:
    """Lines of several models side by side, and published values in columns of their own, all in percent."""
    names = list(dict.fromkeys((line.kind, line.name) for found in lines.values() for line in found))
    values = {model: {(line.kind, line.name): line for line in found} for model, found in lines.items()}
    rows = []
    for kind, name in names:
        cells = [_cell(found.get((kind, name))) for found in values.values()]
        cells += [f"{100 * row[name]:.2f}" if name in row else "-" for row in published.values()]
        rows.append((name, kind, *cells))
    header = ("score", "kind", *lines, *published)
    return Table(header, rows, frozenset(range(2, len(header))))


def totals_notes(models: Mapping[str, tuple[BenchmarkScore, ...]]) -> list[str]:
    """Why a total is missing, and which intervals are not reliable."""
    lines = [line for found in models.values() for line in found]
    notes = []
    if missing := dict.fromkeys(name for line in lines for name in line.missing):
        notes.append(f"no total, because these scores are missing: {', '.join(missing)}")
    cautions: dict[str, dict[str, None]] = {}
    for line in lines:
        if line.value is not None and line.value.caution is not None:
            cautions.setdefault(line.value.caution, {})[line.name] = None
    return [*notes, *(f"{', '.join(names)}: {caution}" for caution, names in cautions.items())]


def _cell(line: BenchmarkScore | None) -> str:
    if line is None or line.value is None:
        return "-"
    mean, low, high = line.value.mean, line.value.low, line.value.high
    if low is None or high is None:
        return f"{100 * mean:.2f}"
    return f"{100 * mean:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
