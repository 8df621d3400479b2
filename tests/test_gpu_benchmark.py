"""The benchmark for GPUs, as far as a machine without one can run it."""

from pathlib import Path

import pytest
import torch

from t2vbatch.commands.prepare import prepare
from t2vbatch.job import load_job
from t2vbatch.models import shapes
from tests.benchmarks import full_size, gpu

PUBLISHED = {
    "Wan 2.1 1.3B": (1.3e9, 1.5e9),
    "ModelScope 1.7B": (1.3e9, 1.5e9),
    "SVD-XT": (1.4e9, 1.6e9),
    "CogVideoX 2B": (1.6e9, 1.8e9),
    "LTX": (1.8e9, 2.0e9),
}
"""Parameters of each denoiser; the 1.7 billion of ModelScope include its text encoder and autoencoder."""


@pytest.mark.parametrize("name", sorted(full_size.ARCHITECTURES))
def test_a_denoiser_has_its_published_size(name: str) -> None:
    """The configs build networks with as many parameters as the published ones."""
    parts = full_size.ARCHITECTURES[name].parts
    with torch.device("meta"):
        network = parts["unet" if "unet" in parts else "transformer"]()
    low, high = PUBLISHED[name]
    assert low < sum(part.numel() for part in network.parameters()) < high


def test_a_tiny_model_runs_through_the_same_code(tmp_path: Path) -> None:
    """The job is written and run, and its figures are read."""
    case = next(case for case in gpu.CASES if case.work == "ModelScope")
    done = gpu.run(case, tmp_path, True, str(shapes.CLIP), 600)
    assert len(done.statuses) == case.videos
    assert done.video_s > 0
    assert done.peak_bytes > 0
    assert [str(figure).count("|") for figure in gpu._figures(case, done, {})] == [5] * 4


def test_every_case_is_a_job(tmp_path: Path) -> None:
    """Every job passes the checks of a plan; a case that is compared names another one."""
    for case in gpu.CASES:
        job = gpu.write_job(case, tmp_path, True, str(shapes.CLIP))
        assert len(prepare(load_job(job)).plan) == case.videos
        assert case.base is None or case.base in {other.work for other in gpu.CASES}
