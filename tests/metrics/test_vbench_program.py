"""The program vbench: what it gives to VBench's package, and the package where its environment is made.

``t2vbatch metrics vbench --install`` makes the environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vbatch.media.video import decode
from t2vbatch.metrics.environments import is_made, python_of
from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.programs.vbench import write_video
from t2vbatch.metrics.protocol import UnscorableError

PROGRAM = find_program("vbench")

UTILS = """
CACHE_DIR = "/nowhere"

def init_submodules(names, local=False):
    return {name: {"path": name, "local": local} for name in names}
"""

STAND_IN = {
    "vbench/__init__.py": "",
    "vbench/utils.py": UTILS,
    "vbench2_beta_i2v/__init__.py": "",
    "vbench2_beta_i2v/utils.py": UTILS,
    "vbench2_beta_i2v/i2v_subject.py": """
import json

import torch

def compute_i2v_subject(info, device, submodules):
    (entry,) = json.load(open(info))
    assert submodules == {"path": "i2v_subject", "local": True}, submodules
    with open(entry["image_name"]) as image:
        return float(image.read()) + len(entry["video_list"]), []
""",
    "vbench2_beta_i2v/i2v_background.py": """
import json

def dreamsim(pretrained=True, device="cuda", cache_dir="./models"):
    assert (device, cache_dir) == ("cpu", "/nowhere/dreamsim_model"), (device, cache_dir)
    return 5.0, None

def compute_i2v_background(info, device, submodules):
    model, _ = dreamsim(pretrained=True)
    return model, []
""",
    "vbench/color.py": """
import json

LOADED = []

class DenseCaptioning:
    def __init__(self, device):
        LOADED.append(device)

def compute_color(info, device, submodules):
    DenseCaptioning(device)
    (entry,) = json.load(open(info))
    assert entry["dimension"] == ["color"] and submodules == {"path": "color", "local": True}, entry
    print("libraries print")
    return len(LOADED) + len(entry["auxiliary_info"]["color"]), []
""",
}
"""Packages with the functions of VBench and VBench-I2V that the program calls."""


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A file with 9 frames of noise, with odd sides."""
    np.save(tmp_path / "f.npy", np.random.default_rng(0).integers(0, 256, (9, 60, 81, 3)).astype(np.uint8))
    return tmp_path / "f.npy"


def test_vbench_reads_the_exact_frames(frames: Path, tmp_path: Path) -> None:
    """The file is lossless, and has the name from which VBench takes the prompt."""
    video = write_video(
        {"frames": str(frames), "fps": 8.0, "prompt": "a person is/was " + "x" * 300}, tmp_path
    )
    assert video.name.startswith("a person is was xxx")
    assert video.name.endswith("-0.mp4")
    assert len(video.name) < 255
    assert np.array_equal(decode(video).frames, np.load(frames))


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[RunningProgram]:
    """The program with a stand-in for VBench's package."""
    package = tmp_path / "package"
    for name, text in STAND_IN.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    listed = [{"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": "red"}}]
    (package / "vbench" / "VBench_full_info.json").write_text(json.dumps(listed))
    environment = {**os.environ, "PYTHONPATH": str(package)}
    command = [sys.executable, str(PROGRAM.path), "--device", "cpu", "--local"]
    process = RunningProgram("vbench", command, environment)
    yield process
    process.close()


def test_a_dimension_is_scored_for_its_prompts_with_one_loaded_network(
    frames: Path, stand_in: RunningProgram
) -> None:
    """The package's entry for the prompt is passed on, and the network loads once."""
    request: dict[str, Any] = {"frames": str(frames), "fps": 8.0, "columns": ["vbench_color"]}
    for _ in range(2):
        assert stand_in.ask(request | {"prompt": "a red car"}, 240)["vbench_color"] == 1 + len("red")
    with pytest.raises(UnscorableError, match="VBench does not list this prompt"):
        stand_in.ask(request | {"prompt": "a blue car"}, 240)


def test_dimensions_of_images_get_the_image_of_the_row(
    frames: Path, stand_in: RunningProgram, tmp_path: Path
) -> None:
    """VBench-I2V reads the row's image, loads DreamSim on the device, and needs an image."""
    (tmp_path / "image.png").write_text("3")
    columns = ["vbench_i2v_subject", "vbench_i2v_background"]
    request: dict[str, Any] = {"frames": str(frames), "fps": 8.0, "prompt": "x", "columns": columns}
    found = stand_in.ask(request | {"image": str(tmp_path / "image.png")}, 240)
    assert [found[column] for column in columns] == [4, 5]
    with pytest.raises(UnscorableError, match="vbench_i2v_subject: the row has no image"):
        stand_in.ask(request | {"image": None}, 240)


WEIGHTS = """
import json, sys
from pathlib import Path

import clip, numpy as np, torch
from clip.model import CLIP
from PIL import Image

folder, frames = Path(sys.argv[1]), np.load(sys.argv[2])
torch.set_grad_enabled(False)
torch.manual_seed(0)
tiny = CLIP(768, 224, 2, 64, 56, 77, 49408, 64, 1, 2).eval()
for value in tiny.parameters():
    if value.dim() > 1:
        torch.nn.init.normal_(value, std=0.3)
(folder / "clip_model").mkdir()
example = torch.zeros(1, 3, 224, 224), clip.tokenize(["x"])
for name in ("ViT-B-32.pt", "ViT-L-14.pt"):  # clip.load reads archives of TorchScript.
    torch.jit.trace(tiny, example, check_trace=False).save(folder / "clip_model" / name)
head = torch.nn.Linear(768, 1)
(folder / "aesthetic_model/emb_reader").mkdir(parents=True)
torch.save(head.state_dict(), folder / "aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth")

model, preprocess = clip.load(str(folder / "clip_model/ViT-B-32.pt"), device="cpu")
mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
pixels = torch.nn.functional.interpolate(pixels, (224, 392), mode="bicubic")[..., 84:308]

def unit(features):
    features = features.double().numpy()
    return features / np.linalg.norm(features, axis=1, keepdims=True)

seen = unit(model.encode_image((pixels / 255 - mean) / std))
near = [max(0, seen[at - 1] @ seen[at]) + max(0, seen[0] @ seen[at]) for at in range(1, len(seen))]
rated = seen @ head.weight.double().numpy()[0] + float(head.bias)
pictures = unit(model.encode_image(torch.stack([preprocess(Image.fromarray(frame)) for frame in frames])))
style = unit(model.encode_text(clip.tokenize(["in cyberpunk style"])))[0]
print(json.dumps({
    "vbench_background_consistency": float(np.mean(near) / 2),
    "vbench_aesthetic_quality": float(rated.mean() / 10),
    "vbench_appearance_style": float((pictures @ style).mean() * model.logit_scale.exp() / 100),
}))
"""
"""Writes random weights of CLIP's class, and prints the scores that VBench's definitions give with them."""


@pytest.mark.skipif(not is_made(PROGRAM), reason="the environment of vbench is not made")
@pytest.mark.timeout(900)
def test_dimensions_of_clip_are_what_vbench_defines(tmp_path: Path) -> None:
    """With random weights of CLIP's class, the package's values equal an independent computation."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 112, 3))
    shades = [np.roll(noise, 3 * at, axis=1) * (0.6 + 0.05 * at) for at in range(5)]
    np.save(tmp_path / "f.npy", np.stack(shades).clip(0, 255).astype(np.uint8))
    python, cache = str(python_of(PROGRAM)), tmp_path / "weights"
    cache.mkdir()
    made = [python, "-c", WEIGHTS, str(cache), str(tmp_path / "f.npy")]
    expected = json.loads(subprocess.run(made, stdout=subprocess.PIPE, check=True).stdout)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, str(PROGRAM.path), "--device", "cpu", "--local"]
    process = RunningProgram("vbench", command, {**environment, "VBENCH_CACHE_DIR": str(cache)})
    prompt = "A beautiful coastal beach in spring, waves lapping on sand, in cyberpunk style"
    request = {"frames": str(tmp_path / "f.npy"), "fps": 8.0, "prompt": prompt, "columns": list(expected)}
    found = process.ask(request, 600)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    process.close()


@pytest.mark.skipif(not is_made(PROGRAM), reason="the environment of vbench is not made")
def test_temporal_flickering_is_what_vbench_defines(frames: Path) -> None:
    """The package's value is one minus the mean absolute difference of neighbouring frames."""
    process = RunningProgram("vbench", [str(python_of(PROGRAM)), str(PROGRAM.path), "--device", "cpu"])
    request = {"frames": str(frames), "fps": 8.0, "prompt": "x", "columns": ["vbench_temporal_flickering"]}
    found = process.ask(request, 240)["vbench_temporal_flickering"]
    difference = np.abs(np.diff(np.load(frames).astype(np.float64), axis=0)).mean()
    assert found == pytest.approx((255 - difference) / 255, abs=1e-5)
    process.close()
