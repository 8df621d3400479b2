"""What a model needs installed is said before anything is loaded, also where diffusers would notice late."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from t2vbatch.errors import ModelError, UsageError
from t2vbatch.models import describe_pipeline, inspect_model
from tests.models import line, tiny

Checkpoint = Callable[[str], Path]


def _without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """A machine without these packages, whatever this one has."""
    found = find_spec
    monkeypatch.setattr(
        "t2vbatch.models.catalog.find_spec", lambda name: None if name in packages else found(name)
    )


def test_a_package_that_every_row_needs_is_named(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LTX-2 compresses each image with PyAV, imported within the call: without it the model is refused."""
    _without(monkeypatch, "av")
    name = "LTX2ImageToVideoPipeline"
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", tiny.model(name, checkpoint(name), call={}))
    assert (caught.value.where, caught.value.fix) == ("models.mine", "pip install av")
    assert describe_pipeline(name).missing == ("av",)


def test_an_argument_may_do_without_a_package(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``image_crf: 0`` nothing is compressed, and nothing is missing."""
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
    """A model that can take images runs without the package, and knows the columns that it cannot take."""
    _without(monkeypatch, package)
    facts = inspect_model("mine", tiny.model(name, checkpoint(name)))
    assert facts.lacking == dict.fromkeys(columns, package)
    assert columns <= facts.accepts


def test_a_row_that_needs_a_missing_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row, column and package are named before a model is loaded; a row without an image would run."""
    _without(monkeypatch, "av")
    name = "LTX2ConditionPipeline"
    models = line.checkpoints([name], tmp_path)
    [row] = line.rows(models, tmp_path)
    tiny.write_image(tmp_path / "picture.png")
    with pytest.raises(UsageError, match=r"column 'last_image'(?s:.*)pip install av"):
        line.run(tmp_path, "out", models, [row | {"last_image": "picture.png"}])
    assert not (tmp_path / "out").exists()


def test_a_name_without_its_package_is_told_from_a_wrong_one(checkpoint: Checkpoint) -> None:
    """Where a package is absent, diffusers has a class that can do nothing: what to install is said."""
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
    """The same holds for pipelines, ConsisID's without OpenCV."""
    _without(monkeypatch, "cv2")

    class Nothing:
        _backends = ("torch", "opencv")

    monkeypatch.setattr("diffusers.ConsisIDPipeline", Nothing)
    section = tiny.model("WanPipeline", checkpoint("WanPipeline"), pipeline="ConsisIDPipeline")
    with pytest.raises(ModelError, match="pip install opencv-python-headless"):
        inspect_model("mine", section)


def test_captions_are_cleaned_on_every_machine(tmp_path: Path) -> None:
    """Without Beautiful Soup diffusers would leave markup in the prompt, and make another video."""
    models = line.checkpoints(["LattePipeline"], tmp_path)
    row = {"model": "LattePipeline", "seed": 1}
    prompts = ("a red ball", "a <b>red</b> ball", "a blue cube")
    made = line.run(tmp_path, "out", models, [row | {"id": prompt, "prompt": prompt} for prompt in prompts])
    plain, marked, other = (row["frames_sha256"] for row in made)
    assert plain == marked != other
