"""Every video pipeline of diffusers, on a tiny checkpoint of its real class, through the whole line."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from t2vbatch.errors import ModelError
from t2vbatch.models import inspect_model, list_pipelines
from tests.models import line, tiny

BROKEN = {"EasyAnimateControlPipeline": "text_encoder_index"}
"""Classes that fail on every call in diffusers 0.42, and a word of the error."""

LISTED = {card.name: card for card in list_pipelines()}
NEEDS = {"Cosmos2_5_TransferPipeline": "torchvision", "ConsisIDPipeline": "cv2"}
"""Classes whose tiny pipelines need a package that a machine without a GPU may lack."""

ABSENT = {name for name, package in NEEDS.items() if name in LISTED and find_spec(package) is None}
COMPILING = {"WanAnimate2ModularPipeline", "WanAnimate2DistilledModularPipeline"}
"""Classes that compile an attention mask, which takes a C++ compiler on a machine without a GPU."""

UNCOMPILED = set() if shutil.which("g++") else COMPILING
RUNNING = sorted(LISTED.keys() - BROKEN.keys() - ABSENT - UNCOMPILED)
REPORT = Path(__file__).with_name("PIPELINES.md")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_pipeline_runs_twice_and_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """Each class makes its video from a job file; run again in two halves, all are equal byte for byte."""
    models = line.checkpoints(RUNNING, tmp_path)
    manifest = line.rows(models, tmp_path)
    once = {row["row_id"]: row for row in line.run(tmp_path, "once", models, manifest)}
    assert {name: row["error"] for name, row in once.items() if row["status"] != "ok"} == {}
    for name, row in once.items():
        made = tiny.TINY_PIPELINES[name]
        assert (row["num_frames"], row["height"], row["width"]) == (made.frames, *made.size), name
        assert row["fps"] == LISTED[name].fps, name

    line.run(tmp_path, "again", models, manifest[::2])
    again = {row["row_id"]: row for row in line.run(tmp_path, "again", models, manifest)}
    digests = ("sample_id", "frames_sha256", "video_sha256")
    assert {name: [row[key] for key in digests] for name, row in again.items()} == {
        name: [row[key] for key in digests] for name, row in once.items()
    }


def test_nine_of_ten_classes_run_and_the_report_says_which() -> None:
    """The report beside this test names each class that diffusers has, and it runs at least 90% of them."""
    table = [text.split("|")[1:-1] for text in REPORT.read_text().splitlines() if text.startswith("| ")][1:]
    written = {cells[0].strip(): cells[-1].strip() for cells in table}
    assert set(written) >= LISTED.keys()
    assert {name for name, note in written.items() if note.startswith("runs")} >= set(RUNNING)
    assert len(RUNNING) >= 0.9 * len(LISTED)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_class_is_still_broken(name: str, tmp_path: Path) -> None:
    """The class still fails because of an error in diffusers; this test fails once diffusers corrects it."""
    models = line.checkpoints([name], tmp_path)
    [row] = line.run(tmp_path, "out", models, line.rows(models, tmp_path))
    assert row["status"] == "failed"
    assert BROKEN[name] in row["error"]


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_a_class_without_its_packages_is_refused_with_their_names(name: str, tmp_path: Path) -> None:
    """Before anything is loaded the message says what to install."""
    folder = tiny.save(name, tmp_path)
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", tiny.model(name, folder))
    assert NEEDS[name] in caught.value.fix
