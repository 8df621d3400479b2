# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = [
#   "vbench==0.1.5",
#   "torch==2.5.1",
#   "torchvision==0.20.1",
#   "numpy==1.26.4",
#   "opencv-python==4.11.0.86",
#   "pyiqa==0.1.10",
#   "dreamsim==0.2.1",
#   "peft==0.6.2",
#   "accelerate==0.25.0",
#   "setuptools==80.10.2",
#   "imageio-ffmpeg==0.6.0",
# ]
#
# [tool.t2vbatch]
# images = true
#
# [tool.t2vbatch.yields]
# vbench_subject_consistency = "higher"
# vbench_background_consistency = "higher"
# vbench_motion_smoothness = "higher"
# vbench_dynamic_degree = "higher"
# vbench_aesthetic_quality = "higher"
# vbench_imaging_quality = "higher"
# ///
"""VBench's dimensions, computed by VBench's own package.

    metrics:
      vbench: {program: vbench}
      vbench_action:
        program: vbench
        yields: {vbench_human_action: higher}
        arguments: [--prompts, standard]

Definition: the column vbench_DIMENSION is what ``vbench.DIMENSION.compute_DIMENSION`` of the package returns
    for this video alone. The dimensions that need no prompt of VBench are the default; ``yields`` names
    others. ``--prompts standard`` scores a dimension only for the prompts for which VBench lists it, as its
    leaderboard does; ``t2vbatch vbench`` then shows the totals. For temporal_flickering VBench leaves out
    videos that move; this program does not. i2v_subject and i2v_background compare the frames with the
    image of the row as the manifest has it; VBench-I2V crops its images to the model's aspect ratio first.
Source: Huang et al., VBench, 2024; the package vbench 0.1.5, with its videos as lossless files.
Range: 0 to 1.
Direction: higher is better.
Cost: a network for each dimension, on a GPU if there is one.
Weights: VBench downloads them on first use into ~/.cache/vbench, or the folder in VBENCH_CACHE_DIR. With
    ``--local`` it reads all but those of DreamSim from there, as its own option of that name.
Tried with: temporal_flickering, which has no weights, equal to its definition. With random weights of the
    package's classes, equal to an independent computation: appearance_style, background_consistency and
    aesthetic_quality (a tiny CLIP), subject_consistency and i2v_subject (DINO, to 0.001, as the two ways of
    resizing differ), overall_consistency and temporal_style (ViCLIP), dynamic_degree (RAFT) and
    motion_smoothness (AMT-S, to 0.0001). human_action with random weights of its ViT-L gives 1 for the label
    that the network names, by an independent computation too, and 0 for another. imaging_quality ran with
    random weights of its class (MUSIQ). Not tried: scene (Tag2Text reads bert-base-uncased from the Hub) and
    i2v_background (DreamSim downloads three networks). object_class, multiple_objects, color and
    spatial_relationship (GRiT) also need detectron2, which has no release on PyPI and is built from source.
    camera_motion cannot run: the package lacks its tracker.
"""

import argparse
import functools
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

NEEDS_STANDARD = {
    "object_class",
    "multiple_objects",
    "scene",
    "appearance_style",
    "color",
    "spatial_relationship",
}
"""Dimensions that need what VBench knows of its own prompts: ``check_dimension_requires_extra_info``."""

OF_IMAGES = {"i2v_subject", "i2v_background"}
"""Dimensions of VBench-I2V, which compare the frames with the image of the row."""

KEPT = {
    "aesthetic_quality": ("get_aesthetic_model", "clip.load"),
    "appearance_style": ("clip.load",),
    "background_consistency": ("clip.load",),
    "color": ("DenseCaptioning",),
    "dynamic_degree": ("DynamicDegree",),
    "human_action": ("create_model", "torch.load"),
    "i2v_background": ("dreamsim",),
    "i2v_subject": ("torch.hub.load",),
    "imaging_quality": ("MUSIQ",),
    "motion_smoothness": ("MotionSmoothness",),
    "multiple_objects": ("DenseCaptioning",),
    "object_class": ("DenseCaptioning",),
    "overall_consistency": ("ViCLIP",),
    "scene": ("tag2text_caption",),
    "spatial_relationship": ("DenseCaptioning",),
    "subject_consistency": ("torch.hub.load",),
    "temporal_style": ("ViCLIP",),
}
"""What a dimension's module calls to load its network; VBench loads it again for each call."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", choices=("custom", "standard"), default="custom")
    parser.add_argument(
        "--local", action="store_true", help="read the weights from the folder in VBENCH_CACHE_DIR only"
    )
    parser.add_argument("--device", help="cuda or cpu; default: cuda if there is one")
    options = parser.parse_args(arguments)
    # The folder of this file is on the path, and this file has the name of the package.
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
    answers = os.fdopen(os.dup(1), "w")  # What the libraries print goes to the error output.
    os.dup2(2, 1)
    judge = Judge(options)
    for line in sys.stdin:
        print(json.dumps(judge.answer(json.loads(line))), file=answers, flush=True)


class Judge:
    """VBench, with the networks that it has loaded."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        import vbench

        self._torch, self._standard, self._local = torch, options.prompts == "standard", options.local
        self._device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        listed = Path(vbench.__file__).with_name("VBench_full_info.json")
        self._known = {entry["prompt_en"]: entry for entry in json.loads(listed.read_text(encoding="utf-8"))}
        self._computes: dict[str, Callable[..., Any]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The value of each column, None if VBench does not list the prompt for it, or a reason."""
        found: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            video = write_video(request, Path(folder))
            for column in request["columns"]:
                dimension = column.removeprefix("vbench_")
                if dimension in OF_IMAGES and not request.get("image"):
                    return {"error": f"{column}: the row has no image"}
                try:
                    found[column] = self._score(dimension, request, video)
                except Exception as error:
                    return {"error": f"{column}: {type(error).__name__}: {error}"}
        if all(value is None for value in found.values()):
            return {"error": "VBench does not list this prompt for these dimensions"}
        return found

    def _score(self, dimension: str, request: dict[str, Any], video: Path) -> float | None:
        prompt = request.get("prompt") or ""
        entry = {"prompt_en": prompt}
        if dimension in OF_IMAGES:
            # VBench joins the name to a folder of its own; an absolute path stays as it is.
            entry["image_name"] = request["image"]
        elif self._standard or dimension in NEEDS_STANDARD:
            entry = self._known.get(prompt, {})
            if dimension not in entry.get("dimension", ()):
                return None
        info = video.with_suffix(".json")
        info.write_text(json.dumps([{**entry, "dimension": [dimension], "video_list": [str(video)]}]))
        if dimension not in self._computes:
            self._computes[dimension] = self._loaded(dimension)
        return float(self._computes[dimension](str(info), self._device)[0])

    def _loaded(self, dimension: str) -> Callable[..., Any]:
        """The dimension's function, which loads its network once."""
        package = "vbench2_beta_i2v" if dimension in OF_IMAGES else "vbench"
        module: Any = importlib.import_module(f"{package}.{dimension}")
        utils = importlib.import_module(f"{package}.utils")
        if dimension == "i2v_background":
            # VBench loads it on CUDA, and from a folder within the current one.
            weights = str(Path(utils.CACHE_DIR) / "dreamsim_model")
            load = functools.partial(module.dreamsim, device=str(self._device), cache_dir=weights)
            module.dreamsim = functools.update_wrapper(load, module.dreamsim)
        for name in KEPT.get(dimension, ()):
            keep(module, name)
        submodules = utils.init_submodules([dimension], local=self._local)[dimension]
        compute = getattr(module, f"compute_{dimension}")
        return lambda info, device: compute(info, device, submodules)


def keep(module: Any, name: str) -> None:
    """Make a function or class of the module return its first result for equal arguments."""
    *path, last = name.split(".")
    owner = functools.reduce(getattr, path, module)
    load, kept = getattr(owner, last), {}

    def loaded(*arguments: Any, **named: Any) -> Any:
        key = repr((arguments, sorted(named.items(), key=lambda item: item[0])))
        if key not in kept:
            kept[key] = load(*arguments, **named)
        return kept[key]

    if load.__name__ != "loaded":
        setattr(owner, last, loaded)


def write_video(request: dict[str, Any], folder: Path) -> Path:
    """A lossless file with the frames, named PROMPT-0.mp4 as VBench expects."""
    from imageio_ffmpeg import get_ffmpeg_exe

    frames = np.load(request["frames"], allow_pickle=False)
    height, width = frames.shape[1:3]
    name = re.sub(r"[/\0]", " ", request.get("prompt") or "video").encode()[:200].decode(errors="ignore")
    target = folder / f"{name}-0.mp4"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(request["fps"])]
    lossless = ["-c:v", "libx264rgb", "-crf", "0", "-preset", "ultrafast"]
    command = [get_ffmpeg_exe(), "-v", "error", "-y", *raw, "-i", "-", *lossless, str(target)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return target


if __name__ == "__main__":
    main()
