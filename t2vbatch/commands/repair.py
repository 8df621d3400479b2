"""Generates videos again that are missing, or that differ from their records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, Watch, run_job
from t2vbatch.commands.verify_problem import VerifyProblem
from t2vbatch.engines import Engine
from t2vbatch.errors import UsageError
from t2vbatch.job import Job
from t2vbatch.output.store import Store


@dataclass(frozen=True)
class Repair:
    """The result of a repair: that of its run, and the samples whose videos have other bytes than before."""

    result: Result
    different: tuple[str, ...]


def repair(
    store: Store,
    problems: list[VerifyProblem],
    engine: Callable[[Job], Engine],
    watch: Watch = lambda progress: None,
) -> Repair:
    """Generate the videos again that ``verify`` found missing or damaged.

    Args:
        problems: as ``verify`` found them; those that are not about one video are left alone.

    Raises:
        UsageError: the job or its manifest is no longer the one that made these videos, or cannot be used.
        RunError: as for a run.
    """
    damaged = [problem.sample_id for problem in problems if problem.sample_id is not None]
    prepared = prepare(store.read_job())
    _check_planned(store, damaged, set(prepared.plan.table["sample_id"].to_pylist()))
    result = run_job(prepared, engine, watch, damaged=damaged)
    return Repair(result, tuple(_different(result)))


def _check_planned(store: Store, damaged: list[str], planned: set[str]) -> None:
    if lost := [sample_id for sample_id in damaged if sample_id not in planned]:
        raise UsageError(
            store.uri,
            f"{len(lost)} of {len(damaged)} damaged videos, whose samples are no longer in the plan",
            "the manifest and the models of the last run",
            "restore the manifest and the models, or run the job to generate the new samples",
        )


def _different(result: Result) -> Iterator[str]:
    return (sample_id for sample_id, same in result.remade.items() if not same)
