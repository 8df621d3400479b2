"""``batch: auto``: the number of samples of a call, measured once and then kept in the output's job.yaml.

The number decides pixels, so it is part of every sample's identity. A later run takes it from the output and
measures nothing, as long as no key that decides a call's time or memory was edited.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import digest
from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.engines import Engine, Progress, RunCallbacks
from t2vbatch.job import Job
from t2vbatch.output.empty_folders import clear_folder
from t2vbatch.output.store import Store
from t2vbatch.plan import Plan, Sample, Unit
from t2vbatch.worker.probe import RESULTS, BatchTimes, ProbeFactory, fastest

_log = logging.getLogger(__name__)


def with_measured_batches(
    prepared: Prepared, store: Store, engine: Callable[[Job], Engine], watch: Callable[[Progress], None]
) -> Prepared:
    """The job with a number for each ``batch: auto``, and its plan. Measures what no earlier run measured.

    One worker of each model generates a few samples, which are not kept.

    Raises:
        KeyboardInterrupt: a signal ended the measurement; the output is unchanged.
        RunError, UsageError: as Engine.run.
    """
    job, plan = prepared.job, prepared.plan
    names = [name for name, model in job.models.items() if model.batch == "auto"]
    samples = {name: sample for name in names if (sample := _first(plan, name)) is not None}
    times = _measured(prepared, samples, store, engine, watch) if samples else {}
    if not names:
        return prepared
    for name, found in times.items():
        shown = ", ".join(f"{size}: {seconds:.3g} s" for size, seconds in found.seconds.items())
        _log.warning("models.%s.batch: auto is %d; seconds per sample: %s", name, fastest(found), shown)
    numbers = {name: fastest(times.get(name, BatchTimes())) for name in names}
    models = {
        name: model.model_copy(update={"batch": numbers.get(name, model.batch)})
        for name, model in job.models.items()
    }
    again = job.model_copy(update={"models": models})
    if all(number == 1 for number in numbers.values()):
        return replace(prepared, job=again)  # The plan was made for this number.
    return prepare(again)


def _first(plan: Plan, model: str) -> Sample | None:
    """The model's first sample that can be generated."""
    of_model = pc.equal(plan.table["model"].cast(pa.string()), model)
    bad = pc.is_in(plan.table["sample_id"], pa.array(list(plan.bad), pa.string()))
    position = pc.index(pc.and_not(of_model, bad), True).as_py()
    return plan.planned(position) if position >= 0 else None


def _measured(
    prepared: Prepared,
    samples: Mapping[str, Sample],
    store: Store,
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None],
) -> dict[str, BatchTimes]:
    """The times of each model. Workers write each into the store, so a crash loses only the last."""
    keys = {name: digest(name)[:16] for name in samples}
    order = list(samples)
    clear_folder(store, RESULTS)
    units = {name: [Unit(name, (index,), 1.0)] for index, name in enumerate(order)}
    # The deadline is that of one unit, and a measurement takes several calls.
    job = prepared.job.model_copy(
        update={"workers": prepared.job.workers.model_copy(update={"timeout_s": None})}
    )
    factories = {name: ProbeFactory(job, name, prepared.facts[name], store, keys[name]) for name in order}
    callbacks: RunCallbacks[Sample] = RunCallbacks(
        payload=lambda position: samples[order[position]],
        committed=lambda position: "ok" if BatchTimes.read(store, keys[order[position]]).finished else None,
        quarantine=lambda position, attempts, failure: _log.warning(
            "models.%s.batch: the measurement failed: %s: %s",
            order[position],
            failure.error_type,
            failure.error,
        ),
        progress=lambda now: watch(replace(now, measuring="batch sizes")),
    )
    try:
        if engine(job).run(units, job, factories, callbacks) == "interrupted":
            raise KeyboardInterrupt
        return {name: BatchTimes.read(store, key) for name, key in keys.items()}
    finally:
        clear_folder(store, RESULTS)
