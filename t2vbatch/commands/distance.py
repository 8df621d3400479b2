"""Distances of a run that is finished, measured from its files by the same workers and engine."""

from collections.abc import Callable, Mapping

from t2vbatch.analysis.distance.measure import measure
from t2vbatch.analysis.distance.reference import is_saved
from t2vbatch.analysis.distance.spec import distance_specs
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.run import Result
from t2vbatch.engines import Engine, Progress
from t2vbatch.errors import MetricError, UsageError
from t2vbatch.job import Distance, Job
from t2vbatch.output.store import open_store


def measure_output(
    output: str,
    distances: Mapping[str, Distance] | None,
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None] = lambda progress: None,
    save: str | None = None,
) -> Result:
    """Bring the distances of an output up to date; they stand in its summary and report afterwards.

    Args:
        distances: name: what is asked for; None means those that the output's job names.
        engine: makes the engine; called only where a video is to be looked at.
        save: where to write the statistics of the reference; with one distance.

    Returns:
        ``made`` is 0: no video is made.

    Raises:
        UsageError: nothing was run there, or what is asked cannot be measured.
        RunError: the measuring failed as a whole; the features that were found are kept for the next time.
    """
    store = open_store(output)
    job = store.read_job()
    asked = job if distances is None else job.model_copy(update={"distances": dict(distances)})
    if not asked.distances:
        raise UsageError(
            f"{store.uri}/job.yaml",
            "no distances",
            "a distance to measure",
            "give --reference and --backbone",
        )
    if save is not None and not is_saved(save):
        raise MetricError("--save-statistics", save, "a file that ends in .npz")
    typed = None if distances is None else (lambda name: lambda key: f"--{key.replace('_', '-')}")
    found = distance_specs(asked, typed)
    with store.lease() as store:
        # What is asked is checked above, by the names under which it was asked.
        plan = prepare(job.model_copy(update={"distances": {}})).plan
        ending = measure(store, plan, asked, found, engine, watch, save)
        return Result(rebuild(store, plan, job), 0, ending, store.uri)
