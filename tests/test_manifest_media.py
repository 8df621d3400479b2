"""Media of manifests: what may be named, what is there, what is whole, and the bytes that come of it."""

import functools
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import threading
import zlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2vbatch.errors import RowError
from t2vbatch.files import open_folder
from t2vbatch.manifest import Limits, Media, check_manifest, decode_image, read_manifest, unpack_frames

Picture = Image.Image


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


def test_paths_start_at_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is relative to the manifest's folder, wherever the program runs and however it was called."""
    source = manifest(tmp_path / "set", {"image": "images/a.png", "last_image": "./images/../images/b.png"})
    (tmp_path / "set" / "images").mkdir()
    (tmp_path / "set" / "images" / "a.png").write_bytes(picture(color=1))
    (tmp_path / "set" / "images" / "b.png").write_bytes(picture(color=2))
    monkeypatch.chdir(tmp_path)
    for name in (source, "set/m.jsonl"):
        media = read_manifest(name).row(0).media
        monkeypatch.chdir("/")
        assert media["image"].read() == picture(color=1)
        assert media["last_image"].sha256() == hashlib.sha256(picture(color=2)).hexdigest()
        monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.struct({"bytes": pa.binary(), "path": pa.string()})]
)
def test_bytes_in_the_manifest(tmp_path: Path, kind: pa.DataType) -> None:
    """Bytes, plain or as {bytes, path} of HF datasets, are the media; a path beside them is a name."""
    data = picture()
    cell = {"bytes": data, "path": "somewhere/else.png"} if pa.types.is_struct(kind) else data
    table = pa.table({"prompt": ["a", "b"], "image": pa.array([cell, None], kind)})
    pq.write_table(table, tmp_path / "m.parquet")
    first, second = read_manifest(str(tmp_path / "m.parquet"))
    assert first.media["image"].read() == data
    assert first.media["image"].uri is None
    assert second.media == {}


def test_path_of_a_struct(tmp_path: Path) -> None:
    """{bytes, path} without bytes is its path; with neither it is no image."""
    (tmp_path / "a.png").write_bytes(picture())
    source = manifest(
        tmp_path, {"image": {"bytes": None, "path": "a.png"}}, {"prompt": "b", "image": {"path": None}}
    )
    first, second = read_manifest(source)
    assert first.media["image"].read() == picture()
    assert second.media == {}


@pytest.mark.parametrize(
    "cell", [5, ["a.png"], {"url": "a.png"}, {"path": 5}, "a\x00.png", "a\n.png", {"bytes": "x"}]
)
def test_cells_that_are_no_media(tmp_path: Path, cell: Any) -> None:
    """Numbers, lists, other objects and control characters are problems of row and column."""
    (problem,) = check_manifest(manifest(tmp_path, {"image": cell}))
    assert (problem.row, problem.column) == (1, "image")


@pytest.mark.parametrize(
    "cell",
    [
        "{secret}",
        "../secret.png",
        "images/../../secret.png",
        "link.png",
        "folder/secret.png",
        "file://{secret}",
        "FILE://{secret}",
        "file:{secret}",
    ],
)
def test_nothing_outside_is_read(tmp_path: Path, cell: str) -> None:
    """Absolute paths, '..', links out of the folder and file: URIs are refused, whatever lies there."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    inside = tmp_path / "set"
    inside.mkdir()
    (inside / "link.png").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path)
    source = manifest(inside, {"image": cell.format(secret=secret)})
    assert "path" in finding(source)


@pytest.mark.parametrize("cell", ["{secret}", "../secret.png", "link.png", "file://{secret}"])
def test_outside_is_read_where_it_is_allowed(tmp_path: Path, cell: str) -> None:
    """With allow_paths a manifest may name any path of this machine."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link.png").symlink_to(secret)
    source = manifest(tmp_path / "set", {"image": cell.format(secret=secret)})
    assert read_manifest(source, allow_paths=True).row(0).media["image"].read() == picture()


def test_links_inside_are_followed(tmp_path: Path) -> None:
    """A link within the folder, and a manifest that is reached by a link, are as good as files."""
    inside = tmp_path / "set"
    manifest(inside, {"image": "link.png"})
    (inside / "a.png").write_bytes(picture())
    (inside / "link.png").symlink_to("a.png")
    (tmp_path / "alias").symlink_to(inside)
    media = read_manifest(str(tmp_path / "alias" / "m.jsonl")).row(0).media["image"]
    assert media.read() == picture()


def test_what_changes_after_the_check(tmp_path: Path) -> None:
    """A file that is replaced by a link to a secret after the check is not read either."""
    (tmp_path / "secret").write_bytes(b"secret")
    source = manifest(tmp_path / "set", {"video": "v.mp4"})
    (tmp_path / "set" / "v.mp4").write_bytes(b"video")
    media = read_manifest(source).row(0).media["video"]
    (tmp_path / "set" / "v.mp4").unlink()
    (tmp_path / "set" / "v.mp4").symlink_to(tmp_path / "secret")
    with pytest.raises(RowError, match="out of the manifest's folder"):
        media.read()


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("http://127.0.0.1/a.png", "private address"),
        ("https://localhost:8080/a.png", "private address"),
        ("http://[::1]/a.png", "private address"),
        ("http://169.254.169.254/latest/meta-data", "private address"),
        ("http:///a.png", "without a host"),
        ("http://[broken/a.png", "without a host"),
        ("ftp://example.org/a.png", "unknown kind 'ftp'"),
        ("memory:///a.png", "unknown kind 'memory'"),
    ],
)
def test_uris_that_are_refused(tmp_path: Path, cell: str, says: str) -> None:
    """Private addresses and unknown kinds of URI are found before anything starts, with allow_paths too."""
    source = manifest(tmp_path, {"image": cell})
    assert says in finding(source)
    assert says in finding(source, allow_paths=True)
    with pytest.raises(RowError):
        Media("image", cell).read()


@pytest.mark.parametrize(
    "cell", ["https://example.org/a.png", "s3://bucket/a.png", "gs://b/a.png", "az://c/a.png"]
)
def test_remote_media_are_read_later(tmp_path: Path, cell: str) -> None:
    """Explicit URIs are kept as they are, and nothing is fetched by reading the manifest."""
    media = read_manifest(manifest(tmp_path, {"image": cell})).row(0).media["image"]
    assert (media.uri, media.data) == (cell, None)


def test_manifest_on_the_web(tmp_path: Path) -> None:
    """A manifest that is given by URL, query and all, may name files beside it, and nothing else there."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.mp4").write_bytes(b"video")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    serve = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{server.server_port}"
        manifest(tmp_path / "set", {"video": "a.mp4"})
        media = read_manifest(f"{site}/set/m.jsonl?signature=x%2Fy").row(0).media["video"]
        assert (media.uri, media.read()) == (f"{site}/set/a.mp4", b"video")
        manifest(tmp_path / "set", {"video": "../secret.mp4"}, {"prompt": "b", "video": f"{site}/set/a.mp4"})
        assert [problem.row for problem in check_manifest(f"{site}/set/m.jsonl")] == [1, 2]
        server.shutdown()


def test_media_on_s3(tmp_path: Path, s3: str) -> None:
    """s3:// media are read, a missing one is a RowError, and a URI with a final '/' is a folder of frames."""
    folder = open_folder(f"{s3}/{tmp_path.name}")
    folder.write("a.mp4", b"video")
    for index in (10, 9):
        folder.write(f"frames/{index}.png", picture(color=index))
    assert Media("video", f"{folder.uri}/a.mp4").read() == b"video"
    frames = unpack_frames(Media("control", f"{folder.uri}/frames/").read())
    assert frames == (picture(color=9), picture(color=10))
    for uri in (f"{folder.uri}/nothing", f"{folder.uri}/nothing/"):
        with pytest.raises(RowError):
            Media("video", uri).read()


def test_remote_manifest_stays_in_its_folder(tmp_path: Path, s3: str) -> None:
    """Paths of a manifest on S3 mean files beside it; '..' and absolute paths are refused there as well."""
    folder = open_folder(f"{s3}/{tmp_path.name}/set")
    rows = ["a.mp4", "x/../a.mp4", "../a.mp4", "/etc/passwd"]
    folder.write(
        "m.csv", b"prompt,video\n" + b"".join(b"p%d,%s\n" % (i, row.encode()) for i, row in enumerate(rows))
    )
    folder.write("a.mp4", b"video")
    assert [problem.row for problem in check_manifest(f"{folder.uri}/m.csv")] == [3, 4]
    folder.write("m.csv", b"prompt,video\na,a.mp4\nb,x/../a.mp4\n")
    assert [row.media["video"].read() for row in read_manifest(f"{folder.uri}/m.csv")] == [b"video"] * 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_images(tmp_path: Path, kind: str) -> None:
    """Whole images of each format pass; the same file cut off is found before anything starts."""
    (tmp_path / "whole").write_bytes(picture(kind))
    assert check_manifest(manifest(tmp_path, {"image": "whole"})) == ()
    assert decode_image(picture(kind)).size == (64, 48)
    (tmp_path / "cut").write_bytes(picture(kind)[: len(picture(kind)) // 2])
    assert "'cut', a broken image" in finding(manifest(tmp_path, {"last_image": "cut"}))
    with pytest.raises(RowError, match="the image cannot be read"):
        decode_image(picture(kind)[: len(picture(kind)) // 2])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "a file of 0 bytes"),
        (b"not an image", "no image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known format"),
        (b"P6 2 2 255 " + bytes(12), "no image of a known format"),
        (bomb(20_000, 20_000), "broken image"),
        (bomb(8_001, 8_000), "8001 x 8000 pixels, more than 64,000,000"),
    ],
)
def test_broken_images(tmp_path: Path, data: bytes, says: str) -> None:
    """Empty files, other formats and images of too many pixels are refused without being decoded."""
    (tmp_path / "x.png").write_bytes(data)
    assert says in finding(manifest(tmp_path, {"image": "x.png"}))


def test_image_limit_can_be_raised(tmp_path: Path) -> None:
    """The number of pixels that is allowed is a limit like the others."""
    (tmp_path / "x.png").write_bytes(picture(size=(100, 100)))
    source = manifest(tmp_path, {"image": "x.png"})
    assert "more than 9,999" in finding(source, limits=Limits(image_pixels=9_999))
    assert check_manifest(source, limits=Limits(image_pixels=10_000)) == ()


def test_broken_bytes_are_found(tmp_path: Path) -> None:
    """Images inside the manifest are looked at like files."""
    cells = [picture(), picture("JPEG")[:500], b"x", b""]
    table = pa.table({"prompt": list("abcd"), "image": pa.array(cells, pa.binary())})
    pq.write_table(table, tmp_path / "m.parquet")
    assert [problem.row for problem in check_manifest(str(tmp_path / "m.parquet"))] == [2, 3, 4]


def test_one_broken_image_in_many_rows(tmp_path: Path) -> None:
    """Each row that names a broken file is told."""
    (tmp_path / "ok.png").write_bytes(picture())
    (tmp_path / "bad.png").write_bytes(b"x")
    rows = [{"prompt": f"p{index}", "image": "bad.png" if index % 2 else "ok.png"} for index in range(6)]
    assert [problem.row for problem in check_manifest(manifest(tmp_path, *rows))] == [2, 4, 6]


def test_images_come_upright_and_in_rgb() -> None:
    """EXIF orientation is applied and transparency and palettes become RGB, as diffusers reads images."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(picture("JPEG", exif=exif)).size == (48, 64)
    data = io.BytesIO()
    Image.new("P", (4, 4)).save(data, "PNG")
    assert decode_image(data.getvalue()).mode == "RGB"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """Missing files, folders as images, empty folders and pipes are found, and the pipe is not waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for cells, says in [
        ({"image": "missing.png"}, "where nothing is"),
        ({"video": "missing.mp4"}, "where nothing is"),
        ({"control": "x" * 5000}, "cannot be read"),
        ({"image": "folder"}, "a folder"),
        ({"control": "folder"}, "a folder without frames"),
        ({"image": "pipe.png"}, "neither a file nor a folder"),
        ({"video": "pipe.png"}, "neither a file nor a folder"),
    ]:
        assert says in finding(manifest(tmp_path, cells))
    with pytest.raises(RowError, match="neither a file nor a folder"):
        Media("video", str(tmp_path / "pipe.png")).read()


def test_folder_of_frames(tmp_path: Path) -> None:
    """Frames are packed in natural order; only frames, their bytes and their order make the digest."""
    for folder, names in {
        "a": ["1.png", "2.png", "10.png"],
        "b": ["f001.PNG", "f002.PNG", "f010.PNG"],
    }.items():
        (tmp_path / folder).mkdir()
        for color, name in enumerate(names):
            (tmp_path / folder / name).write_bytes(picture(color=color))
            os.utime(tmp_path / folder / name, (color, color))
    (tmp_path / "a" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "deeper").mkdir()
    first, second = read_manifest(manifest(tmp_path, {"control": "a"}, {"control": "b/"}))
    assert unpack_frames(first.media["control"].read()) == tuple(picture(color=color) for color in range(3))
    assert first.media["control"].sha256() == second.media["control"].sha256()
    (tmp_path / "b" / "f003.png").write_bytes(picture(color=9))
    assert first.media["control"].sha256() != second.media["control"].sha256()


def test_byte_form_of_frames_is_fixed(tmp_path: Path) -> None:
    """The byte form is a plain tar that any program reads, with nothing of the machine in it."""
    (tmp_path / "x.JPG").write_bytes(b"frame")
    with tarfile.open(fileobj=io.BytesIO(Media("control", str(tmp_path)).read())) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.mode, member.mtime, member.uid, member.gid) == (
        "00000000.jpg",
        0o644,
        0,
        0,
        0,
    )
    assert (member.uname, member.gname) == ("", "")


def test_frames_that_lead_out(tmp_path: Path) -> None:
    """Frames that are links out of the manifest's folder, or folders themselves, are refused."""
    (tmp_path / "secret.png").write_bytes(picture())
    frames = tmp_path / "set" / "frames"
    frames.mkdir(parents=True)
    (frames / "0.png").symlink_to(tmp_path / "secret.png")
    source = manifest(tmp_path / "set", {"control": "frames"})
    with pytest.raises(RowError, match="out of the manifest's folder"):
        read_manifest(source).row(0).media["control"].read()
    assert unpack_frames(read_manifest(source, allow_paths=True).row(0).media["control"].read()) == (
        picture(),
    )
    (frames / "0.png").unlink()
    (frames / "0.png").mkdir()
    with pytest.raises(RowError, match=r"0\.png in it is a folder"):
        read_manifest(source).row(0).media["control"].read()


def test_what_is_no_folder_of_frames() -> None:
    """Videos, cut-off archives and members that pretend to be long give no frames beyond their bytes."""
    assert unpack_frames(b"a video") is None
    assert unpack_frames(bytes(257) + b"ustar" + bytes(1000)) in (None, ())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        sparse = tarfile.TarInfo("0.png")
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
        tar.addfile(sparse)
    assert unpack_frames(packed.getvalue()) in (None, ())


def test_loaded_media_travel(tmp_path: Path) -> None:
    """Loaded media hold their bytes, survive pickling, and need their file no more."""
    (tmp_path / "v.mp4").write_bytes(b"video")
    media = read_manifest(manifest(tmp_path, {"video": "v.mp4"})).row(0).media["video"]
    loaded = pickle.loads(pickle.dumps(media.loaded()))
    (tmp_path / "v.mp4").unlink()
    assert loaded.read() == b"video"
    assert loaded.sha256() == hashlib.sha256(b"video").hexdigest()
    assert loaded.loaded() is loaded
    with pytest.raises(RowError, match=r"video: nothing is at .*v\.mp4"):
        media.read()


def test_media_without_prompt(tmp_path: Path) -> None:
    """An image or a video is enough for a row; a control sequence alone is not."""
    (tmp_path / "a.png").write_bytes(picture())
    cells: list[dict[str, Any]] = [{"image": "a.png"}, {"video": "a.png"}, {"control": "a.png"}]
    source = manifest(tmp_path, *({"prompt": None} | cell for cell in cells))
    assert [(problem.row, problem.found) for problem in check_manifest(source)] == [(3, "nothing to make")]


def test_ids_of_media_rows(tmp_path: Path) -> None:
    """A derived id takes a path as it is written and bytes by their digest, wherever the manifest lies."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        (tmp_path / name / "a.png").write_bytes(picture())
    ids = [
        read_manifest(manifest(tmp_path / name, {"image": "a.png"})).row(0).row_id for name in ("one", "two")
    ]
    assert ids[0] == ids[1]
