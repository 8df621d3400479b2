"""The steps of the scripts: load, call, ``export_to_video``, CLIP score."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import export_to_video
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from t2vbatch.models import shapes


@dataclass(frozen=True)
class Task:
    """One video to make."""

    index: int
    prompt: str


def read_tasks(file: str) -> list[Task]:
    """One task for each line of a text file."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return [Task(index, line) for index, line in enumerate(lines)]


class Generator:
    """The loaded pipeline and the loaded CLIP."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._pipeline = DiffusionPipeline.from_pretrained(shapes.PIPELINE, dtype=torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)
        self._clip: Any = CLIPModel.from_pretrained(shapes.CLIP).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(shapes.CLIP)
        self._processor: Any = AutoImageProcessor.from_pretrained(shapes.CLIP, backend="pil")

    def make(self, task: Task) -> dict[str, Any]:
        """Generate, write and score one video; the line of the table for it."""
        generator = torch.Generator("cpu").manual_seed(task.index)
        frames = self._pipeline(task.prompt, generator=generator, **shapes.CALL).frames[0]
        file = self._folder / f"{task.index}.mp4"
        export_to_video(frames, str(file), fps=shapes.FPS)
        return {"prompt": task.prompt, "video": file.name, "clip_score": self._score(frames, task.prompt)}

    @torch.inference_mode()
    def _score(self, frames: Any, prompt: str) -> float:
        pixels = self._processor(list(np.round(frames * 255).astype(np.uint8)), return_tensors="pt")
        words = self._tokenizer(prompt, truncation=True, return_tensors="pt")
        images = self._clip.get_image_features(**pixels).pooler_output
        text = self._clip.get_text_features(**words).pooler_output
        cosines = torch.cosine_similarity(images, text)
        return float(100 * cosines.clamp(min=0).mean())


def write_table(folder: str, lines: list[dict[str, Any]], name: str = "scores.json") -> None:
    """Write the scores of all videos."""
    (Path(folder) / name).write_text(json.dumps(lines, indent=1), encoding="utf-8")
