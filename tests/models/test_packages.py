"""Missing packages are reported before anything is loaded, also those that diffusers imports late."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from t2vbatch.errors import ModelError, UsageError
from t2vbatch.models import describe_pipeline, inspect_model
from tests.models import line, tiny

Checkpoint = Callable[[str], Path]


def _without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Pretend that these packages are not installed."""
    found = find_spec
    monkeypatch.setattr(
        "t2vbatch.models.catalog.find_spec", lambda name: None if name in packages else found(name)
    )


def test_a_package_that_every_row_needs_is_named(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LTX-2 compresses each image with PyAV within the call; without PyAV the model is refused."""
    _without(monkeypatch, "av")
    name = "LTX2ImageToVideoPipeline"
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", tiny.model(name, checkpoint(name), call={}))
    assert (caught.value.where, caught.value.fix) == ("models.mine", "pip install av")
    assert describe_pipeline(name).missing == ("av",)


def test_an_argument_may_do_without_a_package(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``image_crf: 0`` nothing is compressed, and PyAV is not needed."""
    _without(monkeypatch, "av")
    name = "LTX2ImageToVideoPipeline"
    assert inspect_model("mine", tiny.model(name, checkpoint(name), call={"image_crf": 0})).lacking == {}


@pytest.mark.parametrize(
    ("name", "package", "columns"),
    [
        ("LTX2ConditionPipeline", "av", {"image", "last_image"}),
        ("Cosmos2_5_PredictBasePipeline", "torchvision", {"image"}),
        ("LTX2HDRPipeline", "av", set()),
    ],
)
def test_a_package_that_some_rows_need_is_known(
    name: str, package: str, columns: set[str], checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with optional images runs without the package, and lists the columns that it cannot use."""
    _without(monkeypatch, package)
    facts = inspect_model("mine", tiny.model(name, checkpoint(name)))
    assert facts.lacking == dict.fromkeys(columns, f"{package}: pip install {package}")
    assert columns <= facts.accepts


def test_a_row_that_needs_a_missing_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with an image is refused before loading, with row, column and package."""
    _without(monkeypatch, "av")
    name = "LTX2ConditionPipeline"
    models = line.checkpoints([name], tmp_path)
    [row] = line.rows(models, tmp_path)
    tiny.write_image(tmp_path / "picture.png")
    with pytest.raises(UsageError, match=r"column 'last_image'(?s:.*)pip install av"):
        line.run(tmp_path, "out", models, [row | {"last_image": "picture.png"}])
    assert not (tmp_path / "out").exists()


def test_a_name_without_its_package_is_told_from_a_wrong_one(checkpoint: Checkpoint) -> None:
    """For a placeholder class of diffusers, the message says what to install."""
    if find_spec("torchsde"):
        pytest.skip("torchsde is here, and DPMSolverSDEScheduler with it")
    section = tiny.model(
        "TextToVideoSDPipeline", checkpoint("TextToVideoSDPipeline"), scheduler="DPMSolverSDEScheduler"
    )
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", section)
    assert (caught.value.where, caught.value.fix) == ("models.mine.scheduler", "pip install torchsde")


def test_a_pipeline_without_its_package_is_no_plug_in(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that is a placeholder, like ConsisID without OpenCV, is reported with its package."""
    _without(monkeypatch, "cv2")

    class Nothing:
        _backends = ("torch", "opencv")

    monkeypatch.setattr("diffusers.ConsisIDPipeline", Nothing)
    section = tiny.model("WanPipeline", checkpoint("WanPipeline"), pipeline="ConsisIDPipeline")
    with pytest.raises(ModelError, match="pip install opencv-python-headless"):
        inspect_model("mine", section)


def test_captions_are_cleaned_on_every_machine(tmp_path: Path) -> None:
    """Markup in a prompt is removed on every machine, because Beautiful Soup is a dependency."""
    models = line.checkpoints(["LattePipeline"], tmp_path)
    row = {"model": "LattePipeline", "seed": 1}
    prompts = ("a red ball", "a <b>red</b> ball", "a blue cube")
    made = line.run(tmp_path, "out", models, [row | {"id": prompt, "prompt": prompt} for prompt in prompts])
    plain, marked, other = (row["frames_sha256"] for row in made)
    assert plain == marked != other
