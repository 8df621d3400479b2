"""Hours, cost and disk of the pending samples, by the finished ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from t2vbatch.analysis.estimate import duration_text, estimate, estimate_text

_START = datetime(2026, 10, 25, 0, 59, tzinfo=UTC)
_PLAN = pa.table(
    {
        "sample_id": [f"s{index}" for index in range(10)],
        "model": pa.array(["a"] * 10).dictionary_encode(),
        "cost": [1.0] * 5 + [4.0] * 5,
    }
)


def _records(count: int, device: str = "NVIDIA H100") -> pa.Table:
    """Records of the first samples: 90 s each in the worker, half a minute to load, two workers."""
    row: dict[str, Any] = {"wait_s": 10.0, "generate_s": 75.0, "convert_s": 5.0, "load_s": 30.0}
    rows = [
        row
        | {"sample_id": f"s{index}", "bytes": 2**20, "worker": f"a-{index % 2}", "device": device}
        | {"started_at": _START + timedelta(seconds=90 * (index // 2) + index % 2)}
        for index in range(count)
    ]
    empty = pa.schema(
        [("sample_id", pa.string()), ("worker", pa.string()), ("device", pa.string())]
        + [(name, pa.float64()) for name in row]
        + [("bytes", pa.int64()), ("started_at", pa.timestamp("us", "UTC"))]
    )
    return pa.Table.from_pylist(rows, empty)


def test_time_is_in_proportion_to_the_cost() -> None:
    """Five samples of four times the cost take 5 x 360 s, and two workers load once each."""
    [found] = estimate(_PLAN, _records(5), {"a": [5, 6, 7, 8, 9]}, gpus=2.0, price=3.0)
    assert found.worker_hours == pytest.approx((5 * 360 + 2 * 30) / 3600)
    assert found.gpu_hours == pytest.approx(2 * found.worker_hours)
    assert found.money == pytest.approx(3 * found.gpu_hours)
    assert found.workers == 2
    assert found.hours == pytest.approx(found.worker_hours / 2)
    assert found.bytes == 5 * 2**20
    assert "by 5 finished samples" in estimate_text(found)


def test_a_replaced_worker_is_no_worker_more() -> None:
    """Workers that follow each other, and a call that made three samples, are one worker at a time."""
    rows = _records(4).to_pylist()
    for index, row in enumerate(rows):
        row |= {"worker": f"a-{index}", "started_at": _START + timedelta(seconds=75 * index)}
    last = [row | {"worker": "a-4", "started_at": _START + timedelta(seconds=300)} for row in rows]
    for records in (rows, [rows[0], *last[1:]]):
        [found] = estimate(_PLAN, pa.Table.from_pylist(records, _records(0).schema), {"a": [5, 6, 7, 8, 9]})
        assert found.workers == 1


def test_cpu_workers_have_no_gpu_hours() -> None:
    """Without a GPU there is neither a GPU hour nor its price."""
    [found] = estimate(_PLAN, _records(5, "cpu (x86_64, 1 threads)"), {"a": [5]}, price=3.0)
    assert (found.gpu_hours, found.money) == (0.0, None)
    text = "a: 0.11 CPU worker hours, 6 min 30 s with 1 worker, 1.00 MiB of videos, by 5 finished samples"
    assert estimate_text(found) == text


def test_without_finished_samples_there_is_no_estimate() -> None:
    """The text names the command that generates samples to measure."""
    [found] = estimate(_PLAN, _records(0), {"a": [5]})
    assert found.finished == 0
    assert "--limit 4" in estimate_text(found)


def test_nothing_pending_costs_nothing() -> None:
    """A finished model has nothing to generate."""
    [found] = estimate(_PLAN, _records(5), {"a": []})
    assert estimate_text(found) == "a: nothing to generate"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4.4 s"), (44.4, "44 s"), (200, "3 min 20 s"), (18_720, "5 h 12 min")]
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """Seconds, then minutes with seconds, then hours with minutes."""
    assert duration_text(seconds) == text
