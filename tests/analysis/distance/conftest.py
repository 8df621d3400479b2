"""Tiny random backbones of the real classes, a reference set, and a small run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BitImageProcessorPil,
    Dinov2Config,
    Dinov2Model,
    TimesformerConfig,
    TimesformerModel,
    VideoMAEConfig,
    VideoMAEImageProcessorPil,
    VideoMAEModel,
)

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import Job, Model, VideoFile
from t2vbatch.media.video import Video, encode

FRAMES = 4
TOWER: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


class I3d(torch.nn.Module):
    """Same call as StyleGAN-V's export of I3D; three features per video."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(3, 3, 3)

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        x = x.float()
        if rescale:
            x = x * 2 / 255 - 1
        if resize:
            x = torch.nn.functional.interpolate(x, size=[x.shape[2], 24, 24], mode="trilinear")
        x = torch.relu(self.layer(x))
        return x.mean(dim=[2, 3, 4]) if return_features else x.sum(dim=[1, 2, 3, 4])


class Inception(torch.nn.Module):
    """Same call as StyleGAN2-ADA's export of Inception; four features per image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 5)

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        x = torch.relu(self.layer((img.float() - 128) / 128))
        return x.mean(dim=[2, 3]) if return_features else x.sum(dim=[1, 2, 3])


def exported(module: torch.nn.Module, path: Path) -> Path:
    """Saves the network with seeded weights as a TorchScript file."""
    torch.manual_seed(0)
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    torch.jit.save(torch.jit.script(module), path)
    return path


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ``i3d.pt``, ``inception.pt``, ``videomae``, ``timesformer`` and ``dinov2``."""
    folder = tmp_path_factory.mktemp("backbones")
    exported(I3d(), folder / "i3d.pt")
    exported(Inception(), folder / "inception.pt")
    size: Any = {"image_size": 32, "patch_size": 8}
    mae = VideoMAEConfig(**TOWER, **size, num_frames=FRAMES, tubelet_size=2)
    timesformer = TimesformerConfig(**TOWER, **size, num_frames=FRAMES)
    crops: Any = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    for name, model, config, processor in [
        ("videomae", VideoMAEModel, mae, VideoMAEImageProcessorPil),
        ("timesformer", TimesformerModel, timesformer, VideoMAEImageProcessorPil),
        ("dinov2", Dinov2Model, Dinov2Config(**TOWER, **size), BitImageProcessorPil),
    ]:
        torch.manual_seed(0)
        model(config).save_pretrained(folder / name)
        processor(**crops).save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen videos of five frames, in two folder levels, as files and as folders of frames."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "more").mkdir()
    (folder / "README.txt").write_text("no video")
    random = np.random.default_rng(0)
    for index in range(14):
        noise = random.integers(0, 256, (5, 8, 8, 3), np.uint8)
        frames = np.repeat(np.repeat(noise, 6, axis=1), 6, axis=2)
        name = f"more/{index:02}" if index % 2 else f"{index:02}"
        form: Any = "mp4" if index < 4 else "png"
        encode(Video(frames, 8.0), folder / f"{name}.{form}", VideoFile(format=form))
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run of two models over ten rows, one of which fails, without distances."""
    folder = tmp_path_factory.mktemp("made")
    rows = [{"id": f"r{row}", "prompt": f"ball {row}"} for row in range(9)]
    rows.append({"id": "r9", "prompt": "ball [fault:raise]"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake: Any = {"path": "anything", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = Job(
        manifest=str(folder / "rows.jsonl"),
        output=str(folder / "out"),
        models={"a": Model(**fake), "b": Model(**fake, call={"num_frames": 6})},
        metrics={},
        engine="inline",
        video=VideoFile(format="png"),
    )
    return Path(run_job(prepare(job), engine_for).output)


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    """A fresh copy of the output."""
    return Path(shutil.copytree(made, tmp_path / "out"))
