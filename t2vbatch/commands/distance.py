"""Measures distances of a finished run from its video files, with the workers and the engine of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from t2vbatch.analysis.distance.measure import measure
from t2vbatch.analysis.distance.reference import is_saved
from t2vbatch.analysis.distance.spec import distance_specs
from t2vbatch.analysis.summary import Summary
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.engines import Ending, Engine, Progress
from t2vbatch.errors import MetricError, UsageError
from t2vbatch.job import Distance, Job
from t2vbatch.models.pins import using_pins
from t2vbatch.output.store import open_store


@dataclass(frozen=True)
class DistanceResult:
    """The result of measuring an output.

    Attributes:
        summary: with the distances of each model.
        ending: ``interrupted`` if some distances are not measured yet; the next call continues.
    """

    summary: Summary
    ending: Ending


def measure_output(
    output: str,
    distances: Mapping[str, Distance] | None,
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None] = lambda progress: None,
    save: str | None = None,
) -> DistanceResult:
    """Bring the distances of an output up to date, and write them to its summary and report.

    Args:
        distances: name: distance; None means the distances of the output's job.
        engine: makes the engine; called only if features of a video are missing.
        save: path or URI for the statistics of the reference; allowed with a single distance.

    Raises:
        UsageError: the folder contains no run, or a distance is invalid.
        RunError: the engine failed; computed features are kept for the next call.
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
    with using_pins(job.pins) as found:
        specs = distance_specs(asked, typed)
    job = job.model_copy(update={"pins": {**found, **job.pins}})
    with store.lease() as store:
        plan = store.read_plan()
        ending = measure(store, plan, asked, specs, engine, watch, save)
        store.write_job(job)
        return DistanceResult(rebuild(store, plan, job), ending)
