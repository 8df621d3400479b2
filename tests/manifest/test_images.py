"""Images of manifests: complete, broken and too large ones, and their decoded pixels."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2vbatch.errors import RowError
from t2vbatch.manifest import check_manifest
from t2vbatch.media.images import decode_image
from tests.pictures import bomb, finding, manifest, picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_images(tmp_path: Path, kind: str) -> None:
    """Complete images of each format pass; a truncated file is reported before anything starts."""
    (tmp_path / "whole").write_bytes(picture(kind))
    assert check_manifest(manifest(tmp_path, {"image": "whole"})) == ()
    assert decode_image(picture(kind)).size == (64, 48)
    (tmp_path / "cut").write_bytes(picture(kind)[: len(picture(kind)) // 2])
    assert "'cut', a broken image" in finding(manifest(tmp_path, {"last_image": "cut"}))
    with pytest.raises(RowError, match="cannot read the image"):
        decode_image(picture(kind)[: len(picture(kind)) // 2])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "a file of 0 bytes"),
        (b"not an image", "not an image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
        (b"P6 2 2 255 " + bytes(12), "not an image in a known format"),
        (bomb(20_000, 20_000), "limits.media_pixels"),
        (bomb(8_001, 8_000), "8001 x 8000 pixels; expected at most 64,000,000 pixels; limits.media_pixels"),
    ],
)
def test_broken_images(tmp_path: Path, data: bytes, says: str) -> None:
    """Empty files, other formats and images with too many pixels are refused before decoding."""
    (tmp_path / "x.png").write_bytes(data)
    assert says in finding(manifest(tmp_path, {"image": "x.png"}))


def test_broken_bytes_are_found(tmp_path: Path) -> None:
    """Images inside the manifest are checked like files."""
    cells = [picture(), picture("JPEG")[:500], b"x", b""]
    table = pa.table({"prompt": list("abcd"), "image": pa.array(cells, pa.binary())})
    pq.write_table(table, tmp_path / "m.parquet")
    assert [problem.row for problem in check_manifest(str(tmp_path / "m.parquet"))] == [2, 3, 4]


def test_one_broken_image_in_many_rows(tmp_path: Path) -> None:
    """Each row that names a broken file is reported."""
    (tmp_path / "ok.png").write_bytes(picture())
    (tmp_path / "bad.png").write_bytes(b"x")
    rows = [{"prompt": f"p{index}", "image": "bad.png" if index % 2 else "ok.png"} for index in range(6)]
    assert [problem.row for problem in check_manifest(manifest(tmp_path, *rows))] == [2, 4, 6]


def test_images_come_upright_and_in_rgb() -> None:
    """EXIF orientation is applied, and palettes become RGB."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(picture("JPEG", exif=exif)).size == (48, 64)
    data = io.BytesIO()
    Image.new("P", (4, 4)).save(data, "PNG")
    assert decode_image(data.getvalue()).mode == "RGB"
