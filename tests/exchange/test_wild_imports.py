"""Lists as other programs write them, and names that some file systems refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import ManifestError, UsageError
from t2vbatch.exchange.imports import import_manifest
from t2vbatch.manifest import read_manifest
from tests.exchange.test_imports import tar_of
from tests.media.test_image_modes import hidden_red, saved

PNG = saved(hidden_red("RGBA"))


def rows(folder: Path, source: Path, form: str) -> list[dict[str, Any]]:
    """The rows of an import; its manifest can be read."""
    target = folder / "out.jsonl"
    import_manifest(source, form, target)
    read_manifest(str(target))
    return [json.loads(line) for line in target.read_text().split("\n") if line]


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ('["a cat", "a dog"]', ["a cat", "a dog"]),
        ('{"tags": ["x"], "data": [{"prompt": "a"}]}', ["a"]),
        ('{"errors": [], "data": [{"prompt": "a"}]}', ["a"]),
    ],
)
def test_a_json_list_is_found_in_a_file(tmp_path: Path, content: str, prompts: list[str]) -> None:
    """A list of texts is a list of prompts, and of several lists the one with objects counts."""
    (tmp_path / "a.json").write_text(content)
    assert [row["prompt"] for row in rows(tmp_path, tmp_path / "a.json", "json")] == prompts


@pytest.mark.parametrize(
    ("form", "file", "content", "says"),
    [
        ("json", "a.json", '{"prompt":"a"}\n{"prompt":"b"}\n', "JSON Lines, which is a manifest already"),
        ("json", "a.json", '[{"prompt":"a","prompt":"b"}]', "the key 'prompt' twice"),
        ("json", "a.json", '[{"prompt":"a","x":' + "9" * 5000 + "}]", "an integer of 5,000 digits"),
        ("lines", "a.csv", "prompt,seed\na,1\n", "a table, which is a manifest already"),
        ("lines", "a.jsonl", '{"prompt":"a"}\n', "a table, which is a manifest already"),
    ],
)
def test_a_list_of_another_form_is_refused(
    tmp_path: Path, form: str, file: str, content: str, says: str
) -> None:
    """A table is no text with prompts, and no value of an object is lost."""
    (tmp_path / file).write_text(content)
    with pytest.raises(UsageError) as caught:
        rows(tmp_path, tmp_path / file, form)
    assert says in str(caught.value)


def test_several_images_of_an_object_are_copied(tmp_path: Path) -> None:
    """A list of images in JSON names files of the list's folder."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "a.json").write_text('[{"prompt": "x", "image": ["a.png"]}]')
    assert rows(tmp_path, tmp_path / "a.json", "json")[0]["image"] == ["out/a.png"]


def test_a_backslash_of_windows_is_explained(tmp_path: Path) -> None:
    """The message names the path that exists."""
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.png").write_bytes(PNG)
    (tmp_path / "a.json").write_text('[{"prompt": "x", "image_path": "img\\\\a.png"}]')
    with pytest.raises(ManifestError, match=r"'img/a\.png', which exists"):
        rows(tmp_path, tmp_path / "a.json", "json")


@pytest.mark.parametrize("caption", ["a.txt", "a.caption", "a.png.txt", "A.TXT"])
def test_captions_have_the_names_of_trainers(tmp_path: Path, caption: str) -> None:
    """Programs for training write NAME.caption and NAME.png.txt too; capital letters are another name."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(PNG)
    (folder / caption).write_text("a cat\n")
    found = rows(tmp_path, folder, "captions")[0].get("prompt")
    assert found == (None if caption == "A.TXT" else "a cat")


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("CON", "_CON.png"),
        ("aux", "_aux.png"),
        ("com1", "_com1.png"),
        ("lpt\u00b9", "_lpt\u00b9.png"),
        ('a:b"c', "a_b_c.png"),
        ("a?*|<>", "a_____.png"),
        ("a\\b", "b.png"),
        ("\u202egnp", "_gnp.png"),
        ("console", "console.png"),
    ],
)
def test_copies_have_names_that_every_file_system_takes(tmp_path: Path, key: str, file: str) -> None:
    """Devices of Windows, its separators, and characters that turn the text are replaced."""
    source = tar_of(tmp_path / "s.tar", [(f"{key}.png", PNG), (f"{key}.txt", b"x")])
    assert rows(tmp_path, source, "webdataset")[0]["image"] == f"out/{file}"
    assert (tmp_path / "out" / file).read_bytes() == PNG


def test_names_that_are_equal_after_replacing_are_numbered(tmp_path: Path) -> None:
    """No copy replaces another one."""
    members = [(f"{key}.png", PNG + key.encode()) for key in ("a?b", "a:b", "A_B")]
    source = tar_of(tmp_path / "s.tar", list(members))
    found = rows(tmp_path, source, "webdataset")
    assert [row["image"] for row in found] == ["out/a_b.png", "out/a_b-2.png", "out/A_B-3.png"]
    assert len({(tmp_path / row["image"]).read_bytes() for row in found}) == 3


def test_a_list_without_prompts_names_what_it_left_out(tmp_path: Path) -> None:
    """The first part of a name is the key, so a dot in it hides the image."""
    source = tar_of(tmp_path / "s.tar", [("1.0.png", PNG)])
    with pytest.raises(UsageError, match=r"no prompts \(s\.tar: 1\.0\.png"):
        rows(tmp_path, source, "webdataset")
