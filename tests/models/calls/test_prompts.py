"""Encodings of prompts are kept, and frames are rounded on the device, without a change of any byte."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.manifest import Media
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.calls import prompts
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.calls.prompts import ParkedEncoder
from t2vbatch.models.calls.signature import read_signature
from t2vbatch.models.families import family
from t2vbatch.models.protocol import Request
from tests.models import tiny
from tests.models.test_every_pipeline import RUNNING
from tests.models.tiny_parts import diffusers

Checkpoint = Callable[[str], Path]

SOME = ["AnimateDiffPipeline", "HunyuanVideoPipeline", "WanPipeline"]
"""Classes of three families, for a test that does not take minutes."""

NOT_KEPT = {"HunyuanVideoImageToVideoPipeline", "SanaWMPipeline"}
"""Classes that encode a prompt with an image, or set their guidance only after the first encoding."""

EMBEDDING = {
    family(name).prefix: name
    for name in RUNNING
    if read_signature(getattr(diffusers, name)).embeds and not tiny.TINY_PIPELINES[name].arrays
}
"""A class of each family that takes embeddings, and no arrays, which these requests lack."""


def _section(name: str, folder: Path, **changes: Any) -> Model:
    return tiny.model(name, tiny.save(name, folder) if not folder.exists() else folder, **changes)


def _model(section: Model) -> DiffusersModel:
    model = load_model(section, inspect_model("mine", section), "cpu")
    assert isinstance(model, DiffusersModel)
    return model


def _plain(section: Model, monkeypatch: pytest.MonkeyPatch) -> DiffusersModel:
    """The same model; every call encodes its prompts, and returns arrays of floats."""
    with monkeypatch.context() as patch:
        patch.setattr(prompts.PromptCache, "install", lambda cache: None)
        model = _model(section)
    model._signature = replace(model._signature, gives_tensors=False)
    return model


def _requests(name: str, section: Model, folder: Path) -> list[Request]:
    """Two prompts and two seeds; the first request comes again at the end."""
    made = tiny.TINY_PIPELINES[name]
    image, video = tiny.write_image(folder / "image.png"), tiny.write_video(folder / "video.mp4")
    files = {"image": image, "last_image": image, "video": video, "control": video}
    facts = inspect_model("mine", section)
    columns = (facts.requires | made.also) & files.keys()
    media = {column: Media(column, str(files[column])) for column in columns}
    first = Request("a red ball", "blur", 1, media, {**facts.call, **made.call})
    return [first, replace(first, seed=2), replace(first, prompt="a blue cube"), first]


@pytest.mark.parametrize("name", SOME)
def test_kept_encodings_have_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls with kept encodings make the bytes of calls that encode, and encode each prompt once."""
    _compare(name, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(EMBEDDING.values()))
def test_every_family_keeps_its_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a class of every family that takes embeddings."""
    _compare(name, tmp_path, monkeypatch)


def _compare(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = _section(name, folder / "weights")
    requests = _requests(name, section, folder)
    kept, plain = _model(section), _plain(section, monkeypatch)
    counts, digests = [], []
    for request in requests:
        digests.append(kept.generate([request])[0].sha256())
        counts.append(kept._prompts.encodings)
    if name not in NOT_KEPT:
        assert counts[1] == counts[0]
        assert counts[3] == counts[2]
    assert digests == [plain.generate([request])[0].sha256() for request in requests]


@pytest.mark.parametrize("name", ["WanPipeline", "HunyuanVideoPipeline", "AnimateDiffPipeline"])
def test_a_parked_encoder_makes_the_same_bytes(name: str, tmp_path: Path) -> None:
    """With speed: {text_encoder: precompute} the encoders are parts of the pipeline only to encode."""
    plain = _section(name, tmp_path / "weights")
    parked = _section(name, tmp_path / "weights", speed={"text_encoder": "precompute"})
    requests = _requests(name, plain, tmp_path)[::2]
    first, second = _model(plain), _model(parked)
    assert isinstance(second._pipeline.text_encoder, ParkedEncoder)
    for request in requests:
        assert first.generate([request])[0].sha256() == second.generate([request])[0].sha256()
    assert isinstance(second._pipeline.text_encoder, ParkedEncoder)
    assert inspect_model("mine", plain).identity == inspect_model("mine", parked).identity


@pytest.mark.parametrize("name", SOME)
def test_prompts_that_are_encoded_first_make_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All prompts are encoded before the first video; then no encoder is used, and the bytes are the same."""
    _compare_ahead(name, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(EMBEDDING.values()))
def test_every_family_encodes_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a class of every family that takes embeddings."""
    _compare_ahead(name, tmp_path, monkeypatch)


def _compare_ahead(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = _section(name, folder / "weights", speed={"text_encoder": "precompute"})
    requests = _requests(name, section, folder)
    ahead = _model(section)
    ahead.encode_ahead([request] for request in requests)
    count = ahead._prompts.encodings
    assert isinstance(ahead._pipeline.text_encoder, ParkedEncoder)
    made = [ahead.generate([request])[0].sha256() for request in requests]
    plain = _plain(_section(name, folder / "weights"), monkeypatch)
    assert made == [plain.generate([request])[0].sha256() for request in requests]
    if name not in NOT_KEPT:
        assert count >= 2
        assert ahead._prompts.encodings == count


@pytest.mark.parametrize("name", ["StableVideoDiffusionPipeline", "TextToVideoZeroPipeline"])
def test_a_pipeline_that_cannot_encode_first_refuses_the_setting(name: str, tmp_path: Path) -> None:
    """The setting is an error for a pipeline without a text encoder, or without embeddings as inputs."""
    section = _section(name, tmp_path / "w", speed={"text_encoder": "precompute"})
    with pytest.raises(ModelError, match="prompt_embeds"):
        _model(section)


class _Encoder:
    """A stand-in for a pipeline: counts its encodings."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.count, self._guidance_scale = 0, 1.0

    def encode_prompt(self, prompt: Any, device: Any = None) -> tuple[torch.Tensor, None]:
        self.count += 1
        return torch.full((4,), float(self.count)), None


def test_only_plain_arguments_are_kept() -> None:
    """Equal texts and guidance use the kept result; tensors and other guidance are encoded again."""
    pipeline: Any = _Encoder()
    prompts.PromptCache(pipeline).install()
    first, _ = pipeline.encode_prompt("a", device=torch.device("cpu"))
    again, _ = pipeline.encode_prompt("a", device=torch.device("cpu"))
    assert torch.equal(first, again)
    assert first.data_ptr() != again.data_ptr()
    pipeline._guidance_scale = 2.0
    pipeline.encode_prompt("a", device=torch.device("cpu"))
    pipeline.encode_prompt(torch.zeros(1))
    pipeline.encode_prompt(torch.zeros(1))
    assert pipeline.count == 4


def test_the_oldest_encoding_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kept encodings stay below their limit of memory."""
    monkeypatch.setattr(prompts, "MOST_BYTES", 40)
    pipeline: Any = _Encoder()
    prompts.PromptCache(pipeline).install()
    for text in ("a", "b", "c", "c", "b", "a"):
        pipeline.encode_prompt(text)
    assert pipeline.count == 4
