"""Image files and small manifests for the tests of manifests."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from t2vbatch.manifest import check_manifest


def picture(kind: str = "PNG", color: int = 0, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A small image file."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.putpixel((0, 0), (color, 0, 0))
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises this many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def manifest(folder: Path, *rows: dict[str, Any]) -> str:
    """A manifest of these rows in this folder."""
    folder.mkdir(exist_ok=True)
    (folder / "m.jsonl").write_text("".join(json.dumps({"prompt": "a"} | row) + "\n" for row in rows))
    return str(folder / "m.jsonl")


def finding(source: str, **options: Any) -> str:
    """What the one problem of this manifest found."""
    (problem,) = check_manifest(source, **options)
    assert problem.row == 1
    return problem.found
