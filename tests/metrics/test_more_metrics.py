"""The other metrics against independent computations of their formulas, on tiny networks of the real
classes.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    SiglipModel,
    ViTImageProcessorPil,
    ViTModel,
    XCLIPModel,
)

from t2vbatch.errors import MetricError
from t2vbatch.job import Clip
from t2vbatch.media.video import Video
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import ONE_FRAME, FloatArray
from t2vbatch.metrics.registry import build_metric
from t2vbatch.metrics.scorer import Scorer, Scores
from t2vbatch.models.calls.inputs import fitted

PROMPT = "a red ball"


@pytest.fixture(scope="module")
def video() -> Video:
    """Frames that change slowly, of another size than the networks' input."""
    random = np.random.default_rng(0)
    base = random.integers(0, 200, (40, 56, 3))
    frames = [base + index + random.integers(0, 20, base.shape) for index in range(12)]
    return Video(np.array(frames, np.uint8), fps=8)


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (90, 70, 3), np.uint8))


def scored(name: str, video: Video, clip: Path | str = "unused", **options: Any) -> Scores:
    """Scores of one metric for one video and the prompt PROMPT; the option ``image`` is the conditioning
    image.
    """
    image = options.pop("image", None)
    metric = build_metric(name, options, Clip(path=str(clip)))
    networks = {weights: load_network(weights, "cpu") for weights in metric.weights}
    return Scorer({name: metric}, networks).score(video, PROMPT, image)


def value_of(name: str, video: Video, clip: Path | str = "unused", **options: Any) -> float:
    """The value of the column with the metric's name."""
    value = scored(name, video, clip, **options).values[name]
    assert value is not None
    return value


def clip_features(clip: Path, frames: Any) -> FloatArray:
    """Unit-length features of frames, computed by CLIPModel directly."""
    model: Any = CLIPModel.from_pretrained(clip)
    pixels = CLIPImageProcessorPil.from_pretrained(clip)(
        [Image.fromarray(frame) for frame in frames], return_tensors="pt"
    )
    with torch.no_grad():
        features = model.get_image_features(**pixels).pooler_output
    found: FloatArray = (features / features.norm(dim=-1, keepdim=True)).double().numpy()
    return found


def test_clip_temporal_all_is_the_mean_of_every_pair(tiny_clip: Path, video: Video) -> None:
    """clip_temporal_all averages the cosines above the diagonal."""
    features = clip_features(tiny_clip, video.frames)
    pairs = [features[i] @ features[j] for i in range(12) for j in range(i)]
    values = scored("clip_temporal_all", video, tiny_clip).values
    assert values["clip_temporal_all"] == pytest.approx(np.mean(pairs), abs=1e-5)


def test_pooled_clip_score_compares_the_mean_feature(tiny_clip: Path, video: Video) -> None:
    """clip_score_pooled pools unit features before the comparison, and is never below clip_score."""
    pooled = clip_features(tiny_clip, video.frames).mean(axis=0)
    model: Any = CLIPModel.from_pretrained(tiny_clip)
    with torch.no_grad():
        text = (
            model.get_text_features(**CLIPTokenizer.from_pretrained(tiny_clip)(PROMPT, return_tensors="pt"))
            .pooler_output[0]
            .double()
            .numpy()
        )
    expected = 100 * pooled @ text / np.linalg.norm(pooled) / np.linalg.norm(text)
    value = value_of("clip_score_pooled", video, tiny_clip)
    assert value == pytest.approx(expected, abs=1e-4)
    assert value >= value_of("clip_score", video, tiny_clip) > 0


def test_clip_image_compares_frames_with_the_image(tiny_clip: Path, video: Video, image: Image.Image) -> None:
    """clip_image averages over frames, clip_image_first takes the first frame; without an image both are
    None.
    """
    frames, (target,) = clip_features(tiny_clip, video.frames), clip_features(tiny_clip, [np.asarray(image)])
    for count in (1, 16):
        values = scored("clip_image", video, tiny_clip, image=image, frames=count).values
        assert values["clip_image_first"] == pytest.approx(frames[0] @ target, abs=1e-5)
    assert values["clip_image"] == pytest.approx((frames @ target).mean(), abs=1e-5)
    assert scored("clip_image", video, tiny_clip).errors["clip_image"] == "the row has no image"


def test_pickscore_is_the_networks_own_logit(tiny_clip: Path, video: Video) -> None:
    """pickscore is the mean logit of CLIPModel's forward pass, with a processor from another folder."""
    model: Any = CLIPModel.from_pretrained(tiny_clip)
    text = CLIPTokenizer.from_pretrained(tiny_clip)(PROMPT, return_tensors="pt")
    pixels = CLIPImageProcessorPil.from_pretrained(tiny_clip)(
        [Image.fromarray(frame) for frame in video.frames], return_tensors="pt"
    )
    with torch.no_grad():
        expected = model(**text, **pixels).logits_per_image.mean().item()
    value = scored("pickscore", video, path=str(tiny_clip), processor=str(tiny_clip)).values["pickscore"]
    assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_aesthetic_is_a_linear_head_on_clip(
    tiny_clip: Path, video: Video, tmp_path: Path, suffix: str
) -> None:
    """aesthetic applies weight and bias of the head's file to unit features."""
    state = {"weight": torch.randn(1, 16, generator=torch.manual_seed(1)), "bias": torch.tensor([5.0])}
    head = tmp_path / f"head{suffix}"
    save_file(state, head) if suffix == ".safetensors" else torch.save(state, head)
    features = clip_features(tiny_clip, video.frames)
    expected = (features @ state["weight"][0].double().numpy()).mean() + 5
    value = scored("aesthetic", video, path=str(tiny_clip), head=str(head)).values["aesthetic"]
    assert value == pytest.approx(expected, abs=1e-5)


def test_a_head_with_code_is_rejected(tiny_clip: Path, video: Video, tmp_path: Path) -> None:
    """A pickle that contains anything but tensors is not executed."""
    torch.save({"weight": Path("x"), "bias": torch.tensor([5.0])}, tmp_path / "head.pth")
    with pytest.raises(MetricError, match="head"):
        scored("aesthetic", video, path=str(tiny_clip), head=str(tmp_path / "head.pth"))


def test_siglip_score_is_the_mean_cosine_of_padded_prompts(tiny_siglip: Path, video: Video) -> None:
    """siglip_score agrees with SiglipModel's forward pass on a prompt padded to full length."""
    model: Any = SiglipModel.from_pretrained(tiny_siglip)
    text = CLIPTokenizer.from_pretrained(tiny_siglip)(
        PROMPT, padding="max_length", max_length=64, return_tensors="pt"
    )
    pixels = CLIPImageProcessorPil.from_pretrained(tiny_siglip)(
        [Image.fromarray(frame) for frame in video.frames], return_tensors="pt"
    )
    with torch.no_grad():
        output = model(input_ids=text["input_ids"], **pixels)
    cosines = (output.image_embeds @ output.text_embeds.T)[:, 0].numpy()
    value = value_of("siglip_score", video, path=str(tiny_siglip))
    assert value == pytest.approx(100 * np.maximum(cosines, 0).mean(), abs=1e-4)
    assert value > 0


def test_xclip_score_is_the_models_own(tiny_xclip: Path, video: Video) -> None:
    """xclip_score is the cosine in XCLIPModel's logit, on the number of frames in its config."""
    model: Any = XCLIPModel.from_pretrained(tiny_xclip)
    frames = video.frames[[0, 4, 7, 11]]
    pixels = CLIPImageProcessorPil.from_pretrained(tiny_xclip)(list(frames), return_tensors="pt")
    text = CLIPTokenizer.from_pretrained(tiny_xclip)(PROMPT, return_tensors="pt")
    with torch.no_grad():
        output = model(input_ids=text["input_ids"], pixel_values=pixels["pixel_values"][None])
    expected = (output.logits_per_video / model.logit_scale.exp()).item()
    scores = scored("xclip_score", video, path=str(tiny_xclip))
    assert scores.values["xclip_score"] == pytest.approx(100 * expected, abs=1e-4)
    assert expected > 0
    assert scores.prompt_tokens == 10


def test_dino_consistency_is_vbenchs_formula(tiny_vit: Path, video: Video) -> None:
    """dino_consistency averages the cosines with the previous and the first frame, as VBench's loop does."""
    model: Any = ViTModel.from_pretrained(tiny_vit)
    processor = ViTImageProcessorPil.from_pretrained(tiny_vit)
    with torch.no_grad():
        features = model(**processor(list(video.frames), return_tensors="pt")).last_hidden_state[:, 0]
    total, first, former = 0.0, features[:1], features[:1]
    for frame in features[1:].split(1):
        total += max(0.0, torch.nn.functional.cosine_similarity(former, frame).item()) / 2
        total += max(0.0, torch.nn.functional.cosine_similarity(first, frame).item()) / 2
        former = frame
    value = scored("dino_consistency", video, path=str(tiny_vit), frames=None).values["dino_consistency"]
    assert value == pytest.approx(total / 11, abs=1e-5)


def test_flicker_is_vbenchs_formula(video: Video) -> None:
    """flicker is (255 - mean absolute difference) / 255 by OpenCV's absdiff on float32, as in VBench."""
    differences = [
        np.mean(cv2.absdiff(a.astype(np.float32), b.astype(np.float32)))
        for a, b in zip(video.frames, video.frames[1:], strict=False)
    ]
    expected = (255.0 - np.mean(differences).item()) / 255.0
    assert scored("flicker", video).values["flicker"] == pytest.approx(expected, abs=1e-6)
    assert scored("motion", video).values["motion"] == pytest.approx(1 - expected, abs=1e-6)


def test_sharpness_is_opencvs_laplacian_of_inner_pixels(video: Video) -> None:
    """sharpness is the variance of cv2.Laplacian without the border pixels that OpenCV extrapolates."""
    variances = []
    for frame in video.frames:
        luma = frame.astype(float) @ [0.299, 0.587, 0.114]
        variances.append(cv2.Laplacian(luma, cv2.CV_64F)[1:-1, 1:-1].var())
    assert scored("sharpness", video).values["sharpness"] == pytest.approx(np.mean(variances))


def test_motion_flow_measures_speed() -> None:
    """A shift of two pixels per frame is measured correctly, and twice the frame rate doubles the speed."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(160, 260, 3)), (15, 15), 3)
    noise = np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    frames = np.array([noise[:, 2 * step : 2 * step + 240] for step in range(8)])
    slow, fast = (value_of("motion_flow", Video(frames, fps=fps)) for fps in (8, 16))
    assert slow == pytest.approx(2 * 8 / np.hypot(160, 240), rel=0.1)
    assert fast == pytest.approx(2 * slow)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_first_frame_error_is_zero_for_the_resized_image(video: Video, fit: Any) -> None:
    """A first frame that is the image, resized as a run resizes it, has error 0 for every ``fit``."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (97, 211, 3), np.uint8))
    frame = np.asarray(fitted(image, (56, 40), fit))
    assert value_of("first_frame_error", Video(frame[None], 8), image=image, fit=fit) == 0
    white = Image.new("RGB", (56, 40), "white")
    expected = (255 - video.frames[0].astype(float)).mean() / 255
    assert value_of("first_frame_error", video, image=white) == pytest.approx(expected)


def test_sharpness_at_a_height_ignores_the_size_of_the_video(video: Video) -> None:
    """With ``height`` a frame and its enlargement have about the same sharpness, without it not at all."""
    large = np.array(
        [
            np.asarray(Image.fromarray(frame).resize((112, 80), Image.Resampling.BICUBIC))
            for frame in video.frames
        ]
    )
    resized = [value_of("sharpness", Video(frames, 8), height=20) for frames in (video.frames, large)]
    plain = [value_of("sharpness", Video(frames, 8)) for frames in (video.frames, large)]
    assert resized[0] == pytest.approx(resized[1], rel=0.15)
    assert plain[0] > 2 * plain[1]


@pytest.mark.parametrize("name", ["flicker", "motion", "motion_flow"])
def test_a_single_frame_has_no_motion(name: str) -> None:
    """A metric of change gives the reason for a video of one frame."""
    one = Video(np.zeros((1, 8, 8, 3), np.uint8), fps=8)
    assert scored(name, one).errors == {name: ONE_FRAME}
