"""Plug-ins by module:Name and by entry point, and the fake that ships with the package."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from t2vbatch.canonical import canonical
from t2vbatch.errors import DegenerateError, MemoryExceededError, ModelError, NodeError, RowError
from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.fake import FakeModel
from t2vbatch.models.protocol import Request, VideoModel

FAKE = "t2vbatch.models.fake:FakeModel"


class Stripes:
    """A minimal plug-in with one argument."""

    CALL: ClassVar[Mapping[str, Any]] = {"num_frames": 3}
    FPS = 5.0

    def __init__(self, spec: Model, device: str) -> None:
        self.device = device

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        shape = (requests[0].call["num_frames"], 4, 4, 3)
        return [Video(np.full(shape, request.seed % 256, np.uint8), self.FPS) for request in requests]


class Named(Stripes):
    """A plug-in with a stable name."""

    NAME = "acme:stripes"
    VERSION = "2"


class OtherPixels(Named):
    """A subclass that makes other pixels."""


def _fake(path: str = "anything", **changes: Any) -> VideoModel:
    spec = Model.model_validate({"path": path, "pipeline": FAKE, **changes})
    return load_model(spec, inspect_model("mine", spec), "cpu")


def test_any_class_with_generate_is_a_model() -> None:
    """A class with generate is found by module:Name, inspected by its attributes, constructed and called."""
    spec = Model(path="anything", pipeline=f"{__name__}:Stripes", call={"num_frames": 2})
    facts = inspect_model("mine", spec)
    assert facts.parameters == {"num_frames"}
    assert facts.requires == {"prompt"}
    assert facts.fps == 5.0
    model = load_model(spec, facts, "cpu")
    video = model.generate([Request("stripes", None, 7, call={**facts.call, **spec.call})])[0]
    assert video.frames.shape == (2, 4, 4, 3)
    assert (video.frames == 7).all()


def test_an_entry_point_gives_a_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package's entry point of the group t2vbatch.models can be named like a pipeline."""
    offered = EntryPoint("stripes", f"{__name__}:Stripes", "t2vbatch.models")
    monkeypatch.setattr(
        "t2vbatch.models.plugins.entry_points",
        lambda group, name: [offered] if (group, name) == ("t2vbatch.models", "stripes") else [],
    )
    assert inspect_model("mine", Model(path="x", pipeline="stripes")).fps == 5.0


def test_a_plugin_is_identified_by_its_source_and_its_files(tmp_path: Path) -> None:
    """The content of a plug-in's path is part of its identity; its place is not."""
    for name, text in (("a", "weights"), ("b", "weights"), ("c", "other weights")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pt").write_text(text)
    a, b, c = (
        inspect_model("mine", Model(path=str(tmp_path / name), pipeline=f"{__name__}:Stripes")).identity
        for name in "abc"
    )
    assert a == b != c
    assert len(a["source"]) == 64


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [
        (FAKE, "t2vbatch:fake"),
        ("t2vbatch.models.adapters.imagen_video:ImagenVideo", "t2vbatch:imagen-video"),
        ("t2vbatch.models.adapters.video_diffusion:VideoDiffusion", "t2vbatch:video-diffusion"),
        (None, "diffusers:WanPipeline"),
    ],
)
def test_no_module_of_ours_is_in_an_identity(pipeline: str | None, name: str) -> None:
    """Our own models have a stable name and version in identities, so that a moved module changes none."""
    spec = Model(path="anything" if pipeline else "bundled:shapes", pipeline=pipeline)
    identity = inspect_model("mine", spec).identity
    assert identity["pipeline"] == name
    assert "source" not in identity
    assert b"t2vbatch.models" not in canonical(identity)


def test_a_plugin_that_changes_after_the_plan_is_refused() -> None:
    """A worker does not load a class whose source file is another than in the plan."""
    spec = Model(path="anything", pipeline=f"{__name__}:Stripes")
    facts = inspect_model("mine", spec)
    load_model(spec, facts, "cpu")
    before = replace(facts, identity={**facts.identity, "source": "0" * 64})
    with pytest.raises(NodeError, match="not those of the plan"):
        load_model(spec, before, "cpu")


def test_a_plugin_may_have_a_name_and_a_version() -> None:
    """NAME and VERSION replace the class path and the source's digest; a subclass inherits neither."""

    def identity(name: str) -> Mapping[str, Any]:
        return inspect_model("mine", Model(path="anything", pipeline=f"{__name__}:{name}")).identity

    named, subclass = identity("Named"), identity("OtherPixels")
    assert (named["pipeline"], named["version"]) == ("acme:stripes", "2")
    assert "source" not in named
    assert subclass["pipeline"] == f"{__name__}:OtherPixels"
    assert len(subclass["source"]) == 64


def test_a_class_without_generate_is_refused() -> None:
    """A class without generate is refused."""
    with pytest.raises(ModelError, match="has no method generate"):
        inspect_model("mine", Model(path="x", pipeline="pathlib:Path"))


def test_the_fake_is_a_function_of_the_request() -> None:
    """Equal requests give equal videos; each part of a request changes the video."""
    plain = Request("a ball", None, 7, call={"num_frames": 4})
    others = [
        Request("a cube", None, 7, call={"num_frames": 4}),
        Request("a ball", "blur", 7, call={"num_frames": 4}),
        Request("a ball", None, 8, call={"num_frames": 4}),
        Request("a ball", None, 7, call={"num_frames": 4, "num_inference_steps": 3}),
    ]
    videos = _fake().generate([plain, *others])
    assert _fake().generate([plain])[0].sha256() == videos[0].sha256()
    assert len({video.sha256() for video in videos}) == 5
    assert videos[0].frames.shape == (4, 64, 64, 3)
    assert not np.array_equal(videos[0].frames[0], videos[0].frames[-1])


@pytest.mark.parametrize(
    ("fault", "error"),
    [("raise", RowError), ("oom", MemoryExceededError), ("nan", DegenerateError), ("typo", RowError)],
)
def test_a_requested_fault_happens(fault: str, error: type[Exception]) -> None:
    """A fault in the prompt or in the call affects that request alone."""
    model = _fake()
    with pytest.raises(error):
        model.generate([Request(f"a ball [fault:{fault}]", None, 7)])
    with pytest.raises(error):
        model.generate([Request("a ball", None, 7, call={"fault": fault})])
    assert model.generate([Request("a ball", None, 7)])


def test_a_memory_fault_stops_with_an_offload() -> None:
    """The out-of-memory fault does not happen with an offload."""
    request = Request("a ball [fault:oom_unless_offload]", None, 7)
    with pytest.raises(MemoryExceededError):
        _fake().generate([request])
    assert _fake(memory=["sequential_cpu_offload"]).generate([request])


def test_a_fault_with_a_number_happens_that_often(tmp_path: Path) -> None:
    """A fault with a number is counted across models; then the request succeeds."""
    request = Request("a ball [fault:raise x2]", None, 7)
    for _ in range(2):
        with pytest.raises(RowError):
            _fake(str(tmp_path)).generate([request])
    assert _fake(str(tmp_path)).generate([request])


def test_black_frames_are_a_video() -> None:
    """The fault black makes a video of black frames."""
    assert not _fake().generate([Request("[fault:black]", None, 7)])[0].frames.any()


@pytest.mark.parametrize(("fault", "code"), [("exit", 9), ("segfault", -11)])
def test_a_process_can_be_made_to_die(fault: str, code: int) -> None:
    """The faults exit and segfault end the process."""
    program = (
        "from t2vbatch.job import Model; from t2vbatch.models.fake import FakeModel;"
        "from t2vbatch.models.protocol import Request;"
        f"FakeModel(Model(path='x')).generate([Request('[fault:{fault}]', None, 0)])"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == code


def test_loading_can_be_made_to_fail() -> None:
    """With path: fault:raise, loading fails."""
    with pytest.raises(RowError):
        FakeModel(Model(path="fault:raise"))
