"""Generates videos again that are missing, or that differ from their records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, Watch, run_job
from t2vbatch.commands.verify import video_problems
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
    found = [problem.sample_id for problem in problems if problem.sample_id is not None]
    job = store.read_job()
    prepared = prepare(job)
    _check_planned(store, found, set(prepared.plan.table["sample_id"].to_pylist()))

    def damaged(leased: Store) -> list[str]:
        if leased.read_job() != job:
            again = "repeat the command, which reads the videos again"
            raise UsageError(store.uri, "a job that another run changed", "the job of these videos", again)
        return _still_damaged(leased, found)

    result = run_job(prepared, engine, watch, damaged=damaged)
    return Repair(result, tuple(_different(result)))


def _still_damaged(store: Store, found: list[str]) -> list[str]:
    """Those of the found samples that no other run has repaired since."""
    records = store.records()
    records = records.filter(pc.is_in(records["sample_id"], pa.array(found, pa.string())))
    return [str(problem.sample_id) for problem in video_problems(store, records) if problem]


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
