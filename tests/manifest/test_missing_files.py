"""Cells that nearly name a file: the message gives the cause."""

import base64
import json
import unicodedata
from pathlib import Path

import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import read_manifest
from tests.media.test_image_modes import hidden_red, saved

PNG = saved(hidden_red("RGBA"))
NFC, NFD = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))


def message(folder: Path, cell: object) -> str:
    """What a user reads about a row with this image."""
    (folder / "m.jsonl").write_text(json.dumps({"prompt": "x", "image": cell}))
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(folder / "m.jsonl"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "cell", "says"),
    [
        ("a.png", " a.png", "'a.png', which exists: the cell has blanks at its ends"),
        ("a.png", "a.png\u00a0", "the cell has blanks at its ends"),
        ("a.png", '"a.png"', "the cell has quotes around it"),
        ("my cat.png", "my%20cat.png", "the cell has the % escapes of a URL"),
        ("sub/a.png", "sub\\a.png", "'sub/a.png', which exists"),
        ("a.png", "A.PNG", "'a.png', as in the folder: capital and small letters differ"),
        (NFC, NFD, "in the Unicode form NFC, as in the folder"),
        (NFD, NFC, "in the Unicode form NFD, as in the folder"),
        ("sub/a.png", "sub/a.jpg", "did you mean 'sub/a.png'?"),
        ("a.png", "a", "did you mean 'a.png'?"),
        ("a.png", "b.png", "expected a file in"),
        ("a.png", "~/a.png", "~ is not replaced by a home folder"),
        ("a.png", "C:\\data\\a.png", "this is one of a Windows drive"),
        ("a.png", "C:/data/a.png", "this is one of a Windows drive"),
        ("a.png", "\\\\server\\share\\a.png", "this is one of a Windows drive"),
        ("a.png", "nan", "an empty cell where a row has no file"),
        ("a.png", "data:image/svg+xml,%3Csvg/%3E", "write the bytes into a file"),
        ("a.png", base64.b64encode(PNG).decode() + "...", "write the bytes into a file"),
        ("a.png", str({"bytes": PNG[:20], "path": None}), "write the bytes into a file"),
        ("a.png", str(PNG[:20]), "write the bytes into a file"),
        ("a.png", "x" * 300 + ".png", "which does not exist"),
        ("a.png", {"url": "a.png"}, "an object with 'url'"),
    ],
)
def test_a_file_that_does_not_exist_is_explained(tmp_path: Path, file: str, cell: object, says: str) -> None:
    """The cause is a sentence of the message, and long paths are cut."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(PNG)
    text = message(tmp_path, cell)
    assert says in text
    assert len(text) < 700


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    """The link exists, and the file that it names does not."""
    (tmp_path / "l.png").symlink_to("nothing.png")
    assert "the link 'l.png' names a file that does not exist" in message(tmp_path, "l.png")


def test_a_new_file_is_found_by_the_next_check(tmp_path: Path) -> None:
    """The names of a folder are read again after a change of the folder."""
    assert "did you mean" not in message(tmp_path, "cat")
    (tmp_path / "cat.png").write_bytes(PNG)
    assert "did you mean 'cat.png'?" in message(tmp_path, "cat")


@pytest.mark.parametrize(
    "name", ["100%.png", "a%20b.png", "a#1.png", "a?.png", "😀.png", NFC, NFD, "a b.png"]
)
def test_a_name_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    """Percent signs, hashes, question marks and blanks are characters of a name."""
    (tmp_path / name).write_bytes(PNG)
    (tmp_path / "m.jsonl").write_text(json.dumps({"prompt": "x", "image": name}))
    assert read_manifest(str(tmp_path / "m.jsonl")).row(0).media["image"].read() == PNG


@pytest.mark.parametrize("cell", ["", "  ", None])
def test_a_blank_cell_names_no_file(tmp_path: Path, cell: str | None) -> None:
    """A cell of blanks is empty."""
    (tmp_path / "m.jsonl").write_text(json.dumps({"prompt": "x", "image": cell}))
    assert not read_manifest(str(tmp_path / "m.jsonl")).row(0).media
