"""GPUs and CPUs of a worker, and the time that a budget buys."""

from typing import Any

import pytest

from t2vbatch.engines.devices import budget_s, cpus_each
from t2vbatch.errors import JobError
from t2vbatch.job import Job, parse_job


def _job(**changes: Any) -> Job:
    return Job.model_validate({"manifest": "m", "output": "o", "models": {"m": {"path": "p"}}, **changes})


def test_a_budget_becomes_seconds_of_workers() -> None:
    """Two GPU hours are one hour of workers with two GPUs; the smaller of two limits counts."""
    assert budget_s(_job(), 1.0) is None
    assert budget_s(_job(budget={"gpu_hours": 2}), 2.0) == 3600.0
    both = {"gpu_hours": 2, "money": 3, "cost_per_gpu_hour": 3}
    assert budget_s(_job(budget=both), 1.0) == 3600.0


def test_a_budget_without_gpus_is_refused() -> None:
    """Workers without a GPU would never spend it."""
    with pytest.raises(JobError, match="budget"):
        budget_s(_job(budget={"gpu_hours": 2}), 0.0)


def test_money_needs_a_price() -> None:
    """A limit in money without the price of a GPU hour is an error of the job."""
    text = '{"manifest": "m", "output": "o", "models": {"m": {"path": "p"}}, "budget": {"money": 5}}'
    with pytest.raises(JobError, match="cost_per_gpu_hour"):
        parse_job(text, "job")


def test_finishing_threads_take_cpus() -> None:
    """One thread is part of the worker's CPUs; each further one takes another; auto takes what is left
    over."""
    assert cpus_each(_job(workers={"cpus": 2})) == 2
    assert cpus_each(_job(workers={"cpus": 2, "finish": 1})) == 2
    assert cpus_each(_job(workers={"cpus": 2, "finish": 4})) == 5
