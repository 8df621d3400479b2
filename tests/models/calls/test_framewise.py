"""Image pipelines that make a video: their frames share noise, in every run."""

from pathlib import Path
from typing import Any

import pytest

from tests.models import line

CLASSES = (
    "StableDiffusionControlNetPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "TextToVideoZeroPipeline",
    "TextToVideoZeroSDXLPipeline",
)
PROMPTS = ("a red ball rolls", "a blue cube falls", "a green star turns")


@pytest.mark.parametrize("name", CLASSES)
def test_a_run_resumed_midway_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """A fresh pipeline makes the same bytes as one that has made other videos before."""
    models = line.checkpoints([name], tmp_path)
    [row] = line.rows(models, tmp_path)
    manifest = [row | {"id": prompt, "prompt": prompt} for prompt in PROMPTS]
    undisturbed = _digests(line.run(tmp_path, "undisturbed", models, manifest))
    line.run(tmp_path, "resumed", models, manifest[:1])
    resumed = _digests(line.run(tmp_path, "resumed", models, manifest))
    assert resumed == undisturbed
    assert len({frames for frames, _ in undisturbed.values()}) == len(PROMPTS)


def _digests(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    assert {row["error"] for row in rows} == {None}
    return {row["row_id"]: (row["frames_sha256"], row["video_sha256"]) for row in rows}
