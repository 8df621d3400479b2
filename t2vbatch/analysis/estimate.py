"""How long the pending samples will take and what they will cost, by the finished samples.  [pure]"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import counted

READ = ("sample_id", "started_at", "wait_s", "generate_s", "convert_s", "load_s", "bytes", "worker", "device")
"""The columns of the records that an estimate reads."""


@dataclass(frozen=True)
class Estimate:
    """The pending samples of one model.

    Attributes:
        pending: number of samples.
        finished: number of finished samples that the estimate is based on; 0: nothing is known.
        worker_hours: hours of workers, in generation and loading.
        gpu_hours: the same in GPUs; 0 if the finished samples were generated on CPUs.
        hours: time to the end with ``workers`` workers.
        workers: as many as generated finished samples at one time, at most one for each pending sample.
        bytes: size of the video files.
        money: price of the GPU hours; None without a price.
    """

    model: str
    pending: int
    finished: int
    worker_hours: float = 0.0
    gpu_hours: float = 0.0
    hours: float = 0.0
    workers: int = 0
    bytes: int = 0
    money: float | None = None


def estimate(
    plan: pa.Table,
    records: pa.Table,
    pending: Mapping[str, Sequence[int]],
    gpus: float = 1.0,
    price: float | None = None,
) -> list[Estimate]:
    """One estimate per model.

    A sample takes the seconds of the finished ones in proportion to its cost (frames x pixels x steps).

    Args:
        plan: the table of the plan.
        records: the records of the output, with the columns READ.
        pending: positions in the plan, by model.
        gpus: GPUs of a worker that has any.
        price: price of one GPU hour.
    """
    timed = records.filter(pc.is_valid(records["wait_s"]))
    costs = plan.select(["sample_id", "cost", "model"])
    made = timed.join(costs, "sample_id", join_type="inner")
    models = made["model"].cast(pa.string())
    return [
        _of_model(name, made.filter(pc.equal(models, name)), plan, positions, gpus, price)
        for name, positions in pending.items()
    ]


def _of_model(
    name: str, made: pa.Table, plan: pa.Table, positions: Sequence[int], gpus: float, price: float | None
) -> Estimate:
    if not made.num_rows or not positions:
        return Estimate(name, len(positions), made.num_rows)
    cost = _total(plan.take(pa.array(positions)), "cost")
    workers = min(len(positions), _workers_at_once(made))
    work_s = worked_s(made) / _total(made, "cost") * cost + workers * float(
        pc.mean(made["load_s"]).as_py() or 0
    )
    on_gpu = not str(made["device"][0].as_py()).startswith("cpu")
    gpu_hours = gpus * work_s / 3600 if on_gpu else 0.0
    return Estimate(
        name,
        len(positions),
        made.num_rows,
        worker_hours=work_s / 3600,
        gpu_hours=gpu_hours,
        hours=work_s / 3600 / workers,
        workers=workers,
        bytes=round(float(pc.mean(made["bytes"]).as_py() or 0) * len(positions)),
        money=gpu_hours * price if price is not None and on_gpu else None,
    )


def _workers_at_once(made: pa.Table) -> int:
    """The most workers that generated at one time: a worker that replaces another has a new name."""
    # The samples of one call start together, and each has its share of the call's time.
    calls = made.group_by(["worker", "started_at"]).aggregate([("generate_s", "sum")])
    starts = calls["started_at"].cast(pa.int64()).to_numpy() / 1e6
    ends = starts + calls["generate_s_sum"].to_numpy()
    # A call that ends as another starts does not overlap with it.
    order = np.argsort(np.concatenate([ends, starts]), kind="stable")
    running = np.cumsum(np.where(order < len(ends), -1, 1))
    # Clocks are not exact, and one worker never generates twice at one time.
    names: int = pc.count_distinct(made["worker"]).as_py()
    return min(int(running.max()), names)


def worked_s(records: pa.Table) -> float:
    """Seconds of workers on these samples, loading excluded: before, in and after the pipeline's calls."""
    return sum(_total(records, column) for column in ("wait_s", "generate_s", "convert_s"))


def _total(table: pa.Table, column: str) -> float:
    return float(pc.sum(table[column]).as_py() or 0)


def estimate_text(found: Estimate) -> str:
    """The estimate as one line of text."""
    if not found.pending:
        return f"{found.model}: nothing to generate"
    if not found.finished:
        return f"{found.model}: no estimate yet; t2vbatch run JOB --limit 4 generates samples to measure"
    gib, mib = found.bytes / 2**30, found.bytes / 2**20
    parts = [
        f"{digits(found.gpu_hours)} GPU hours"
        if found.gpu_hours
        else f"{digits(found.worker_hours)} CPU worker hours",
        f"{duration_text(3600 * found.hours)} with {counted(found.workers, 'worker')}",
        f"{digits(gib)} GiB of videos" if gib >= 1 else f"{digits(mib)} MiB of videos",
    ]
    if found.money is not None:
        parts.append(f"costs {digits(found.money)}")
    return f"{found.model}: {', '.join(parts)}, by {counted(found.finished, 'finished sample')}"


def digits(value: float) -> str:
    """Two decimals, or two digits of a number below 1: a run of minutes does not take 0.00 hours."""
    if 0 < value < 0.001:
        return "less than 0.001"
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.2g}"


def duration_text(seconds: float) -> str:
    """``4.2 s``, ``42 s``, ``3 min 20 s`` or ``5 h 12 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600:,} h {total % 3600 // 60} min"
