"""``t2vbatch reproduce``: runs an entry, a job with expected values, and compares its scores with them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import isclose

from t2vbatch.analysis.intervals import Interval
from t2vbatch.analysis.summary import Summary
from t2vbatch.commands.certificate import digests, read_contents
from t2vbatch.commands.prepare import Prepared
from t2vbatch.commands.run import Result, Watch, run_job
from t2vbatch.engines import Engine
from t2vbatch.errors import UsageError, nearest
from t2vbatch.job import Expected, Job
from t2vbatch.metrics import metric_columns
from t2vbatch.metrics.vbench import VBENCH_COLUMNS
from t2vbatch.output.store import open_store


@dataclass(frozen=True)
class ReproducedValue:
    """One expected value and what this run measured.

    Attributes:
        measured: mean over videos with its 95% interval by prompt; None if no video has the score.
        scored: number of samples of the model that have the score.
        planned: number of its samples.
        consistent: whether the expected value is within the entry's tolerance of the mean or, without a
            tolerance, in the interval.
    """

    name: str
    expected: Expected
    measured: Interval | None
    scored: int
    planned: int
    consistent: bool


@dataclass(frozen=True)
class Reproduction:
    """A run of an entry.

    Attributes:
        dataset: digest of all decoded frames and sound; a machine of the same kind gives the same digest.
    """

    values: tuple[ReproducedValue, ...]
    dataset: str
    result: Result

    @property
    def consistent(self) -> bool:
        """Whether all expected values are consistent with this run."""
        return all(value.consistent for value in self.values)


def reproduce_entry(
    prepared: Prepared, engine: Callable[[Job], Engine], watch: Watch = lambda progress: None
) -> Reproduction:
    """Run the entry's job, which scores its videos, and compare the scores with the expected values.

    Scores of VBench are imported (``vbench_DIMENSION``): until then they are not measured.

    Raises:
        UsageError: the job has no expected values, or names a model or score that it does not have.
        RunError: as for a run.
    """
    job = prepared.job
    if not job.expected:
        fix = "name an entry, such as jobs/leaderboards/shapes.yaml, or use t2vbatch run"
        raise UsageError("expected", "nothing", "the published values of this job", fix)
    for name, expected in job.expected.items():
        _known(f"expected.{name}.model", expected.model, job.models)
        _known(f"expected.{name}.score", expected.score, [*metric_columns(job), *VBENCH_COLUMNS])
    result = run_job(prepared, engine, watch)
    store = open_store(result.output)
    values = tuple(_value(name, expected, result.summary) for name, expected in job.expected.items())
    return Reproduction(values, digests(read_contents(store))["dataset"], result)


def _known(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise UsageError(where, name, nearest(name, list(known)) or f"one of {', '.join(known)}")


def _value(name: str, expected: Expected, summary: Summary) -> ReproducedValue:
    (model,) = (model for model in summary.models if model.model == expected.model)
    score = next((score for score in model.scores if score.column == expected.score), None)
    planned = model.counts.planned
    if score is None or score.mean is None:
        return ReproducedValue(name, expected, None, 0, planned, False)
    measured = Interval(score.mean, score.low, score.high, score.caution)
    return ReproducedValue(name, expected, measured, score.n, planned, _consistent(expected, measured))


def _consistent(expected: Expected, measured: Interval) -> bool:
    if expected.tolerance is not None:
        return abs(expected.value - measured.mean) <= expected.tolerance
    if measured.low is None or measured.high is None:
        # Without a spread only the value itself agrees, such as a rate of 100%.
        return isclose(measured.mean, expected.value, rel_tol=1e-9)
    return measured.low <= expected.value <= measured.high
