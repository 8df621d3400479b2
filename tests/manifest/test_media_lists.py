"""Several files in one media cell: a list in Parquet and JSON Lines, the text of a list in CSV."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.errors import RowError
from t2vbatch.job import Limits
from t2vbatch.manifest import Media, check_manifest, read_manifest
from t2vbatch.media.frame_folder import unpack_frames
from tests.pictures import finding, manifest, picture

NAMES = ["b.png", "a.png", "10.png"]


@pytest.fixture
def images(tmp_path: Path) -> dict[str, bytes]:
    """Three images beside the manifest."""
    found = {name: picture(color=40 * index) for index, name in enumerate(NAMES)}
    for name, data in found.items():
        (tmp_path / name).write_bytes(data)
    return found


def _written(folder: Path, kind: str) -> str:
    path = folder / f"m.{kind}"
    match kind:
        case "csv":
            path.write_text('prompt,reference_images\nx,"' + json.dumps(NAMES).replace('"', '""') + '"\n')
        case "tsv":
            path.write_text(f"prompt\treference_images\nx\t{NAMES}\n")
        case "jsonl":
            path.write_text(json.dumps({"prompt": "x", "reference_images": NAMES}) + "\n")
        case "parquet":
            pq.write_table(pa.table({"prompt": ["x"], "reference_images": [NAMES]}), path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_list_has_its_own_order_in_every_format(
    tmp_path: Path, kind: str, images: dict[str, bytes]
) -> None:
    """A list is like a folder of its images in the order of the list, with the same id in each format."""
    row = read_manifest(_written(tmp_path, kind)).row(0)
    assert unpack_frames(row.media["reference_images"].read()) == tuple(images[name] for name in NAMES)
    assert row.row_id == read_manifest(_written(tmp_path, "jsonl")).row(0).row_id


def test_a_list_of_bytes_is_the_list_of_its_files(tmp_path: Path, images: dict[str, bytes]) -> None:
    """Bytes in a list, as datasets of Hugging Face hold them, are the images."""
    cell = [{"bytes": data, "path": name} for name, data in images.items()]
    kind = pa.list_(pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    pq.write_table(pa.table({"prompt": ["x"], "control": pa.array([cell], kind)}), tmp_path / "bytes.parquet")
    media = read_manifest(str(tmp_path / "bytes.parquet")).row(0).media["control"]
    assert unpack_frames(media.read()) == tuple(images.values())


@pytest.mark.parametrize("column", ["image", "reference_images", "control"])
def test_a_list_of_one_file_is_the_file(tmp_path: Path, column: str, images: dict[str, bytes]) -> None:
    """Also in a column that takes one image."""
    row = read_manifest(manifest(tmp_path, {column: ["a.png"]})).row(0)
    assert row.media[column].read() == images["a.png"]
    assert read_manifest(manifest(tmp_path, {column: []})).row(0).media == {}


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("image", ["a.png", "b.png"], "a list of 2 files"),
        ("reference_images", ["a.png", "missing.png"], "'missing.png', which does not exist"),
        ("reference_images", ["a.png", "../secret.png"], "a path outside the manifest's folder"),
        ("reference_images", ["a.png", "/etc/passwd"], "an absolute path"),
        ("reference_images", ["a.png", "s3://other/a.png"], "a place in a store"),
        ("reference_images", ["a.png", "http://127.0.0.1/a.png"], "a URL at a private address"),
        ("reference_images", ["a.png", "folder"], "a folder"),
        ("reference_images", ["a.png", "broken.png"], "a broken image"),
        ("control", ["a.png", "broken.png"], "a broken image"),
        ("reference_images", ["a.png", ""], "an empty entry"),
        ("reference_images", ["a.png", 5], "the number 5"),
        ("reference_images", ["a.png", "b\n.png"], "'b\\n.png'"),
        ("reference_images", ["a.png", ["b.png"]], "a list"),
    ],
)
def test_each_file_of_a_list_is_checked(
    tmp_path: Path, images: dict[str, bytes], column: str, cell: list[Any], says: str
) -> None:
    """The roots, the existence and the format of each file are those of a cell of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.png").write_bytes(images["a.png"][:60])
    assert says in finding(manifest(tmp_path, {column: cell}))


def test_a_list_has_a_limit(tmp_path: Path, images: dict[str, bytes]) -> None:
    """A list has at most as many files as an input video may have frames."""
    source = manifest(tmp_path, {"reference_images": NAMES})
    [problem] = check_manifest(source, limits=Limits(media_frames=2))
    assert "limits.media_frames" in problem.expected


def test_a_list_reports_its_missing_file_and_its_changes(tmp_path: Path, images: dict[str, bytes]) -> None:
    """The error names the file, and the version is another one as soon as one file changes."""
    media = read_manifest(manifest(tmp_path, {"reference_images": NAMES})).row(0).media["reference_images"]
    before = media.version()
    again = Media(media.name, media.uri, within=media.within)  # as a stored plan makes it
    assert again.sha256() == media.sha256()
    (tmp_path / "a.png").write_bytes(picture(color=200, size=(80, 48)))
    assert before is not None
    assert again.version() != before
    (tmp_path / "a.png").unlink()
    with pytest.raises(RowError, match=r"no file at .*/a\.png$"):
        again.read()


def test_a_link_in_a_list_leads_nowhere_else(tmp_path: Path, images: dict[str, bytes]) -> None:
    """A file that became a link to the outside after the check is not read."""
    inner = tmp_path / "set"
    source = manifest(inner, {"reference_images": ["a.png", "b.png"]})
    for name in ("a.png", "b.png"):
        (inner / name).write_bytes(images[name])
    media = read_manifest(source).row(0).media["reference_images"]
    (inner / "b.png").unlink()
    (inner / "b.png").symlink_to(tmp_path / "b.png")
    with pytest.raises(RowError, match="outside the manifest's folder"):
        media.read()


def test_a_path_that_begins_with_a_bracket_is_a_path(tmp_path: Path) -> None:
    """Only a list of texts is a list."""
    (tmp_path / "[1] a.png").write_bytes(picture())
    row = read_manifest(manifest(tmp_path, {"reference_images": "[1] a.png"})).row(0)
    assert row.media["reference_images"].read() == picture()
