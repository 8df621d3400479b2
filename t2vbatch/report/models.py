"""How each model ran: when and where it ran, what it cost, and which settings differ.  [pure]"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.estimate import digits, duration_text, worked_s
from t2vbatch.analysis.summary import Summary, once
from t2vbatch.output.records import rows_where

_USED = ["sample_id", "model", "started_at", "device", "generate_s", "wait_s", "convert_s"]


@dataclass(frozen=True)
class ModelRun:
    """When and where one model ran, and what that took.

    Attributes:
        date: day of the first video, ISO 8601, UTC; empty without a record.
        busy: time in which at least one worker had a sample, as text.
        devices: the distinct devices.
        gpu_hours: time of its workers' GPUs, loading excluded, in hours, as text; empty on a CPU.
        per_minute: videos per minute of busy time.
        busy_share: share of the workers' time in the pipeline call, from 0 to 1; None without a record.
    """

    name: str
    date: str
    busy: str
    devices: str
    gpu_hours: str
    per_minute: float | None
    busy_share: float | None


@dataclass(frozen=True)
class Difference:
    """A key of the job in which models differ; ``values`` are in the order of the models."""

    key: str
    values: tuple[str, ...]


def model_runs(results: pa.Table, summary: Summary, gpus: float = 1.0) -> list[ModelRun]:
    """How each model ran, in the order of the summary.

    Args:
        gpus: GPUs of a worker that has any.
    """
    results, found = results.select(_USED), []
    for model in summary.models:
        own = rows_where(results, pc.equal(results["model"], model.model))
        started = pc.min(own["started_at"]).as_py()
        devices = sorted(name for name in own["device"].unique().to_pylist() if name)
        timing = model.timing
        found.append(
            ModelRun(
                model.model,
                started.date().isoformat() if started else "",
                duration_text(timing.busy_s),
                ", ".join(devices),
                _gpu_hours(once(own), gpus),
                timing.videos_per_minute,
                timing.busy_share,
            )
        )
    return found


def differences(models: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """The keys whose values are not the same for all models.

    Args:
        models: name: the model's section of the job, as plain values.
    """
    flat = {name: dict(_flatten(section)) for name, section in models.items()}
    keys = dict.fromkeys(key for section in flat.values() for key in section)
    rows = (Difference(key, tuple(section.get(key, "") for section in flat.values())) for key in keys)
    return [row for row in rows if len(set(row.values)) > 1]


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text(item) for item in value)
    return "" if value is None or value == {} else str(value)


def _gpu_hours(results: pa.Table, gpus: float) -> str:
    on_gpu = results.filter(pc.invert(pc.starts_with(results["device"].fill_null("cpu"), "cpu")))
    return digits(gpus * worked_s(on_gpu) / 3600) if on_gpu.num_rows else ""
