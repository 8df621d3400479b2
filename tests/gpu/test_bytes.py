"""The same bytes on one GPU: twice, in other processes, after a resume."""

from pathlib import Path

import pytest

from tests.gpu import jobs


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint."""
    return jobs.checkpoint(tmp_path_factory.mktemp("weights") / "wan")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_runs_make_the_same_bytes(weights: Path, tmp_path: Path, dtype: str) -> None:
    """In one process, frames and scores are equal to the bit."""
    one, two = (jobs.write(tmp_path / name, weights, dtype=dtype) for name in ("one", "two"))
    jobs.run(one)
    jobs.run(two)
    assert jobs.digests(one) == jobs.digests(two)
    assert {row["device"].partition(":")[0] for row in jobs.rows(one)} == {"cuda"}


def test_another_process_and_a_resume_make_the_same_bytes(weights: Path, tmp_path: Path) -> None:
    """A run that stops after one video and continues in another process equals one run."""
    one, two = (jobs.write(tmp_path / name, weights, dtype="bfloat16") for name in ("one", "two"))
    jobs.run_command(one)
    jobs.run_command(two, "--limit", "1")
    jobs.run_command(two)
    assert jobs.digests(one) == jobs.digests(two)


def test_ray_makes_the_bytes_of_the_inline_engine(weights: Path, tmp_path: Path) -> None:
    """Both engines give the same bytes."""
    pytest.importorskip("ray")
    one, two = (jobs.write(tmp_path / name, weights) for name in ("one", "two"))
    jobs.run(one)
    jobs.run_command(two, "--set", "engine=ray")
    assert jobs.digests(one) == jobs.digests(two)


def test_prompts_that_are_encoded_first_change_no_byte(weights: Path, tmp_path: Path) -> None:
    """speed: {text_encoder: precompute} makes the same bytes with less memory."""
    plain = jobs.write(tmp_path / "plain", weights)
    ahead = jobs.write(tmp_path / "ahead", weights, speed={"text_encoder": "precompute"})
    jobs.run(plain)
    jobs.run(ahead)
    assert jobs.digests(plain) == jobs.digests(ahead)
    assert jobs.rows(ahead)[-1]["peak_memory_bytes"] < jobs.rows(plain)[-1]["peak_memory_bytes"]
