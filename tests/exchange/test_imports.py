"""Lists of other tools become manifests that read without a complaint."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from t2vbatch.errors import ManifestError, UsageError
from t2vbatch.exchange import import_manifest
from t2vbatch.manifest import read_manifest


def picture(path: Path) -> Path:
    """A small image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)
    return path


def imported(tmp_path: Path, source: Path, form: str, **options: Any) -> list[dict[str, Any]]:
    """The rows of the manifest, which is read by the reader that runs use."""
    target = tmp_path / "made" / "manifest.jsonl"
    count = import_manifest(source, form, target, **options)
    assert len(read_manifest(str(target))) == count
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_a_vbench_prompt_of_two_entries_is_one_row(tmp_path: Path) -> None:
    """VBench lists two prompts in two dimensions each; they are generated once and keep both."""
    entries = [
        {"prompt_en": "a toilet, frozen in time", "dimension": ["temporal_flickering"]},
        {"prompt_en": "The bund Shanghai", "dimension": ["appearance_style"], "auxiliary_info": {"x": 1}},
        {"prompt_en": "The bund Shanghai", "dimension": ["scene", "appearance_style"]},
    ]
    source = tmp_path / "VBench_full_info.json"
    source.write_text(json.dumps(entries))
    rows = imported(tmp_path, source, "vbench")
    assert [row["dimension"] for row in rows] == ["temporal_flickering", "appearance_style, scene"]
    assert rows[1]["auxiliary_info"] == '{"x": 1}'


def test_images_of_a_list_are_copied_beside_the_manifest(tmp_path: Path) -> None:
    """VBench-I2V names images without a folder; the manifest gets copies that it may read."""
    picture(tmp_path / "crop" / "a wave.jpg")
    source = tmp_path / "i2v.json"
    source.write_text(json.dumps([{"prompt_en": "a wave", "dimension": ["x"], "image_name": "a wave.jpg"}]))
    (row,) = imported(tmp_path, source, "vbench", images=tmp_path / "crop")
    assert row["image"] == "manifest/a wave.jpg"
    with pytest.raises(ManifestError, match="no image"):
        imported(tmp_path, source, "vbench", images=tmp_path / "elsewhere")


def test_a_json_list_keeps_its_call_arguments(tmp_path: Path) -> None:
    """FastVideo wraps its list in an object; names of images and captions are read as ours."""
    picture(tmp_path / "images" / "cat.png")
    source = tmp_path / "validation.json"
    entry = {"caption": "a cat", "image_path": "images/cat.png", "video_path": None, "num_frames": 77}
    source.write_text(json.dumps({"data": [entry]}))
    (row,) = imported(tmp_path, source, "json")
    assert row == {"caption": "a cat", "num_frames": 77, "image": "manifest/cat.png"}


def test_text_files_are_numbered(tmp_path: Path) -> None:
    """EvalCrafter's names count lines; of T2V-CompBench each file is a category."""
    (tmp_path / "prompts").mkdir()
    for name in ("motion", "action"):
        (tmp_path / "prompts" / f"{name}.txt").write_text(f"first {name}\n\nsecond {name}\n")
    rows = imported(tmp_path, tmp_path / "prompts", "lines")
    assert [row["id"] for row in rows] == ["action-0000", "action-0001", "motion-0000", "motion-0001"]
    assert [row["category"] for row in rows] == ["action", "action", "motion", "motion"]
    rows = imported(tmp_path, tmp_path / "prompts" / "motion.txt", "lines")
    assert rows[1] == {"id": "0001", "prompt": "second motion"}


def test_a_folder_of_images_with_captions(tmp_path: Path) -> None:
    """Each image is a row, with the text beside it as its prompt."""
    picture(tmp_path / "folder" / "b.png")
    picture(tmp_path / "folder" / "a.jpg").with_suffix(".txt").write_text("a red square\n")
    rows = imported(tmp_path, tmp_path / "folder", "captions")
    assert rows == [
        {"id": "a", "image": "manifest/a.jpg", "prompt": "a red square"},
        {"id": "b", "image": "manifest/b.png"},
    ]


def test_webdataset_shards(tmp_path: Path) -> None:
    """Text, JSON and image of a key make one row; a member's path cannot lead out of the folder."""
    image = picture(tmp_path / "x.png").read_bytes()
    files = {
        "0001.txt": b"a cat",
        "0001.png": image,
        "../../0002.json": b'{"prompt": "a dog"}',
        "../../0002.png": image,
    }
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    rows = imported(tmp_path, tmp_path / "0.tar", "webdataset")
    assert [row["prompt"] for row in rows] == ["a cat", "a dog"]
    made = tmp_path / "made"
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path, made / "manifest"}


@pytest.mark.parametrize(
    ("form", "content"),
    [("vbench", "{}"), ("vbench", "[{}]"), ("json", "no json"), ("lines", "\n"), ("x", "")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, form: str, content: str) -> None:
    """A file of another form is one message, and no manifest is written."""
    source = tmp_path / "list"
    source.write_text(content)
    with pytest.raises(UsageError):
        import_manifest(source, form, tmp_path / "m.jsonl")
    assert not (tmp_path / "m.jsonl").exists()
