"""What the line costs beside a plain loop over the same pipeline: ``python -m tests.benchmarks.line``.

The plain loop is what one would write in ten lines: load, call, write an mp4. It resumes nothing, checks
nothing and scores nothing; so the line runs here without metrics, and both start in a fresh process.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = """
import sys, json
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import export_to_video
from t2vbatch.models import shapes
folder, prompts, call = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(1)
pipeline = DiffusionPipeline.from_pretrained(shapes.PIPELINE, dtype=torch.float32)
pipeline.set_progress_bar_config(disable=True)
for index, prompt in enumerate(prompts):
    generator = torch.Generator("cpu").manual_seed(index)
    frames = pipeline(prompt, generator=generator, **{**shapes.CALL, **call}).frames[0]
    export_to_video(frames, f"{folder}/{index}.mp4", fps=shapes.FPS)
"""


def main() -> None:
    """Print one line a way of making the same videos."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    prompts = [f"a red circle moves left, take {index}" for index in range(options.videos)]
    call = {"num_inference_steps": options.steps}
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, python {platform.python_version()}")
    plain = _plain(prompts, call)
    print(f"{'plain loop':16} {plain:6.1f} s  {60 * len(prompts) / plain:6.1f} videos/min  1.00")
    ways: dict[str, dict[str, object]] = {
        "inline": {"engine": "inline"},
        "ray, 1 worker": {"workers": {"count": 1}},
        "ray, 2 workers": {"workers": {"count": 2}},
    }
    for name, changes in ways.items():
        seconds = _line(prompts, call, changes)
        rate = 60 * len(prompts) / seconds
        print(f"{name:16} {seconds:6.1f} s  {rate:6.1f} videos/min  {plain / seconds:.2f}")


def _plain(prompts: list[str], call: dict[str, int]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return _timed([sys.executable, "-c", PLAIN, folder, json.dumps(prompts), json.dumps(call)])


def _line(prompts: list[str], call: dict[str, int], changes: dict[str, object]) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts.txt").write_text("\n".join(prompts))
        models = {"shapes": {"path": "bundled:shapes", "call": call}}
        job = {"manifest": "prompts.txt", "output": "out", "metrics": [], "models": models, **changes}
        (folder / "job.yaml").write_text(json.dumps(job))
        return _timed([sys.executable, "-m", "t2vbatch", "run", str(folder / "job.yaml"), "--json"])


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
