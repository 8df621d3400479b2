"""What the settings of ``memory`` and ``speed`` do on a GPU, and the retry with less memory."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu import jobs


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint."""
    return jobs.checkpoint(tmp_path_factory.mktemp("weights") / "wan")


def _peak(job: Path) -> int:
    return max(int(row["peak_memory_bytes"]) for row in jobs.rows(job))


@pytest.mark.parametrize("saving", ["model_cpu_offload", "sequential_cpu_offload", "group_offload"])
def test_an_offload_takes_less_memory_and_makes_the_same_bytes(
    weights: Path, tmp_path: Path, saving: str
) -> None:
    """An offload takes less memory and gives the same bytes."""
    plain = jobs.write(tmp_path / "plain", weights)
    offload = jobs.write(tmp_path / "offload", weights, memory=[saving])
    jobs.run(plain)
    jobs.run(offload)
    assert jobs.digests(plain) == jobs.digests(offload)
    assert _peak(offload) < _peak(plain)


@pytest.mark.parametrize(
    "speed",
    [
        {"compile": True},
        {"attention_backend": "_native_cudnn"},
        {"cache": {"class": "FirstBlockCacheConfig", "threshold": 0.1}},
    ],
    ids=lambda speed: next(iter(speed)),
)
def test_a_speed_setting_runs_twice_with_the_same_bytes(
    weights: Path, tmp_path: Path, speed: dict[str, Any]
) -> None:
    """Each speed setting takes effect and gives the same bytes twice."""
    one, two = (
        jobs.write(tmp_path / name, weights, dtype="bfloat16", speed=speed) for name in ("one", "two")
    )
    for job in (one, two):
        assert jobs.run(job).summary.counts.failed == 0
    assert jobs.digests(one) == jobs.digests(two)


@pytest.mark.parametrize(
    ("package", "quantization"),
    [
        ("bitsandbytes", {"class": "BitsAndBytesConfig", "load_in_4bit": True}),
        ("torchao", {"class": "TorchAoConfig", "quant_type": "Int8WeightOnlyConfig"}),
    ],
)
def test_a_quantized_model_generates(
    weights: Path, tmp_path: Path, package: str, quantization: dict[str, Any]
) -> None:
    """Quantized weights load, and take less memory."""
    pytest.importorskip(package)
    plain = jobs.write(tmp_path / "plain", weights, dtype="bfloat16")
    speed = {"quantization": {"transformer": quantization}}
    small = jobs.write(tmp_path / "small", weights, dtype="bfloat16", speed=speed)
    jobs.run(plain)
    assert jobs.run(small).summary.counts.failed == 0
    assert _peak(small) < _peak(plain)


def test_a_unit_that_is_out_of_memory_is_retried_with_an_offload(weights: Path, tmp_path: Path) -> None:
    """With room for one network but not for all, every video is made, with the bytes of a run with room."""
    plain, tight = (jobs.write(tmp_path / name, weights) for name in ("plain", "tight"))
    jobs.run(plain)
    torch.cuda.empty_cache()
    limit = 0.8 * _peak(plain) / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(limit)
    try:
        jobs.run(tight)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert jobs.digests(plain) == jobs.digests(tight)
    assert _peak(tight) < _peak(plain)
