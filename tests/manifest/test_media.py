"""Media of manifests: allowed locations, missing files, and the bytes."""

import base64
import functools
import hashlib
import os
import pickle
import threading
import tracemalloc
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.errors import RowError, error_kind
from t2vbatch.manifest import ManifestOptions, Media, check_manifest, read_manifest
from t2vbatch.media.frame_folder import unpack_frames
from t2vbatch.storage.files import open_folder
from tests.pictures import finding, manifest, picture


def test_paths_start_at_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is relative to the manifest's folder, whatever the working directory."""
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
    """Bytes, plain or as {bytes, path} of HF datasets, are the media; the path is only a name."""
    data = picture()
    cell = {"bytes": data, "path": "somewhere/else.png"} if pa.types.is_struct(kind) else data
    table = pa.table({"prompt": ["a", "b"], "image": pa.array([cell, None], kind)})
    pq.write_table(table, tmp_path / "m.parquet")
    first, second = read_manifest(str(tmp_path / "m.parquet"))
    assert first.media["image"].read() == data
    assert first.media["image"].uri is None
    assert second.media == {}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("file", ["m.csv", "m.tsv", "m.jsonl", "m.parquet"])
def test_base64_is_the_bytes(tmp_path: Path, kind: str, file: str) -> None:
    """Text that is the Base64 of an image, or a data: URL, is the image, with the id of a row of bytes."""
    data = picture(kind)
    text = base64.b64encode(data).decode()
    cells = [text, f"data:image/{kind.lower()};base64,{text}", base64.encodebytes(data).decode()]
    if file == "m.tsv":
        cells = cells[:2]  # A line break ends a row there.
    frame = pd.DataFrame({"image": [*cells, None], "prompt": [f"p{n}" for n in range(len(cells) + 1)]})
    pq.write_table(pa.table({"image": [data], "prompt": ["p0"]}), tmp_path / "bytes.parquet")
    if file == "m.jsonl":
        frame["image"] = pd.Series([*cells[:2], {"bytes": cells[2], "path": "x"}, None], dtype=object)
        frame.to_json(tmp_path / file, orient="records", lines=True)
    elif file == "m.parquet":
        frame.to_parquet(tmp_path / file)
    else:
        frame.to_csv(tmp_path / file, index=False, sep="\t" if file == "m.tsv" else ",")
    *rows, last = read_manifest(str(tmp_path / file))
    assert [row.media["image"].read() for row in rows] == [data] * len(cells)
    assert last.media == {}
    assert rows[0].row_id == read_manifest(str(tmp_path / "bytes.parquet")).row(0).row_id


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("data:image/png;base64,iVBORw0KGgo", "'iVBORw0KGgo'"),
        ("data:image/png;base64,%89PNG", "'%89PNG'"),
        ({"bytes": "iVBORw0KGgo"}, "'iVBORw0KGgo'"),
        ("data:image/png;base64,iVBORw0KGgo=", "a broken image"),
        ("data:;base64,", "0 bytes"),
    ],
)
def test_damaged_base64_is_a_problem_of_its_row(tmp_path: Path, cell: Any, found: str) -> None:
    """Base64 that is cut, or another text, is refused."""
    assert found in finding(manifest(tmp_path, {"image": cell}))


def test_path_of_a_struct(tmp_path: Path) -> None:
    """{bytes, path} without bytes means the path; an empty one means no image."""
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
def test_cells_of_other_types(tmp_path: Path, cell: Any) -> None:
    """Numbers, lists, other objects and control characters are problems with row and column."""
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
    """Absolute paths, '..', links to outside and file: URIs are refused, even if the file exists."""
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
    """With allow_paths a manifest may name any local path."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link.png").symlink_to(secret)
    source = manifest(tmp_path / "set", {"image": cell.format(secret=secret)})
    assert read_manifest(source, allow_paths=True).row(0).media["image"].read() == picture()


def test_links_inside_are_followed(tmp_path: Path) -> None:
    """Links inside the folder, and a link to the manifest's folder, are followed."""
    inside = tmp_path / "set"
    manifest(inside, {"image": "link.png"})
    (inside / "a.png").write_bytes(picture())
    (inside / "link.png").symlink_to("a.png")
    (tmp_path / "alias").symlink_to(inside)
    media = read_manifest(str(tmp_path / "alias" / "m.jsonl")).row(0).media["image"]
    assert media.read() == picture()


def test_a_file_replaced_after_the_check(tmp_path: Path) -> None:
    """A file that is replaced by a link to a secret after the check is not read."""
    (tmp_path / "secret").write_bytes(b"secret")
    source = manifest(tmp_path / "set", {"video": "v.mp4"})
    (tmp_path / "set" / "v.mp4").write_bytes(b"video")
    media = read_manifest(source).row(0).media["video"]
    (tmp_path / "set" / "v.mp4").unlink()
    (tmp_path / "set" / "v.mp4").symlink_to(tmp_path / "secret")
    with pytest.raises(RowError, match="outside the manifest's folder"):
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
        ("ftp://example.org/a.png", "unknown scheme 'ftp'"),
        ("memory:///a.png", "unknown scheme 'memory'"),
    ],
)
def test_uris_that_are_refused(tmp_path: Path, cell: str, says: str) -> None:
    """Private addresses and unknown schemes are reported before anything starts, also with allow_paths."""
    source = manifest(tmp_path, {"image": cell})
    assert says in finding(source)
    assert says in finding(source, allow_paths=True)
    with pytest.raises(RowError):
        Media("image", cell).read()


@pytest.mark.parametrize(
    "cell", ["https://example.org/a.png", "s3://bucket/a.png", "gs://b/a.png", "az://c/a.png"]
)
def test_remote_media_are_read_later(tmp_path: Path, cell: str) -> None:
    """Explicit URIs are kept unchanged, and reading the manifest fetches nothing."""
    options = ManifestOptions(allow=(cell.rpartition("/")[0],))
    media = read_manifest(manifest(tmp_path, {"image": cell}), options=options).row(0).media["image"]
    assert (media.uri, media.data) == (cell, None)


@pytest.mark.parametrize(
    ("allow", "cell", "allowed"),
    [
        ((), "s3://bucket/a.png", False),
        (("s3://bucket",), "s3://bucket/a.png", True),
        (("s3://bucket/",), "s3://bucket/x/a.png", True),
        (("s3://bucket/x",), "s3://bucket/x/a.png", True),
        (("s3://bucket/x",), "s3://bucket/xy/a.png", False),
        (("s3://bucket/x",), "s3://bucket/a.png", False),
        (("s3://bucket/x",), "s3://bucket/x/../a.png", False),
        (("s3://bucket/x",), "s3://bucket/x/%2e%2e/a.png", False),
        (("s3://bucket/x",), "s3://bucket/x/./a.png", False),
        (("s3://bucket",), "s3://bucket@evil/a.png", False),
        (("s3://bucket",), "S3://bucket/a.png", False),
        (("s3://bucket",), "gs://bucket/a.png", False),
        (("http://10.0.0.1/x",), "http://10.0.0.1/x/a.png", True),
        (("http://10.0.0.1/x",), "http://10.0.0.1/y/a.png", False),
        (("http://10.0.0.1/x",), "http://10.0.0.1:80/x/a.png", False),
        (("http://10.0.0.1/x",), "http://10.0.0.1/x/%2e%2e/y/a.png", False),
        (("http://10.0.0.1",), "http://10.0.0.1@10.0.0.2/a.png", False),
        ((), "https://example.org/a.png", True),
    ],
)
def test_stores_that_cells_may_name(tmp_path: Path, allow: tuple[str, ...], cell: str, allowed: bool) -> None:
    """Only prefixes that the job allows, because a store is read with the user's own credentials."""
    found = check_manifest(manifest(tmp_path, {"image": cell}), options=ManifestOptions(allow=allow))
    assert (found == ()) is allowed
    assert allowed or "media.allow" in found[0].expected


def test_manifest_on_the_web(tmp_path: Path) -> None:
    """A manifest at a URL with a query may name files in its folder, and no other files of that server."""
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
        assert [problem.row for problem in check_manifest(f"{site}/set/m.jsonl")] == [1]
        server.shutdown()


def test_media_on_s3(tmp_path: Path, s3: str) -> None:
    """s3:// media are read, a missing one is a RowError, and a URI that ends in '/' is a folder of frames."""
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
    """Paths of a manifest on S3 are relative to its folder; '..' and absolute paths are refused."""
    folder = open_folder(f"{s3}/{tmp_path.name}/set")
    rows = ["a.mp4", "x/../a.mp4", "../a.mp4", "/etc/passwd"]
    folder.write(
        "m.csv", b"prompt,video\n" + b"".join(b"p%d,%s\n" % (i, row.encode()) for i, row in enumerate(rows))
    )
    folder.write("a.mp4", b"video")
    assert [problem.row for problem in check_manifest(f"{folder.uri}/m.csv")] == [3, 4]
    folder.write("m.csv", b"prompt,video\na,a.mp4\nb,x/../a.mp4\n")
    assert [row.media["video"].read() for row in read_manifest(f"{folder.uri}/m.csv")] == [b"video"] * 2
    folder.write("m.csv", f"prompt,video\na,{folder.uri}/a.mp4\nb,{s3}/private/a.mp4\n".encode())
    assert [problem.row for problem in check_manifest(f"{folder.uri}/m.csv")] == [2]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """Missing files, folders as images, empty folders and pipes are reported without reading the pipe."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for cells, says in [
        ({"image": "missing.png"}, "which does not exist"),
        ({"video": "missing.mp4"}, "which does not exist"),
        ({"control": "x" * 5000}, "which does not exist"),
        ({"image": "folder"}, "a folder"),
        ({"control": "folder"}, "a folder without frames"),
        ({"image": "pipe.png"}, "neither a file nor a folder"),
        ({"video": "pipe.png"}, "neither a file nor a folder"),
    ]:
        assert says in finding(manifest(tmp_path, cells))
    with pytest.raises(RowError, match="neither a file nor a folder"):
        Media("video", str(tmp_path / "pipe.png")).read()


def test_messages_show_where_a_path_with_blanks_ends(tmp_path: Path) -> None:
    """Two files with blanks in their names that are missing for one reason have one kind of error."""
    kinds = set()
    for name in ("red fox.png", "a.png", "an old blue car.png"):
        with pytest.raises(RowError) as error:
            Media("image", str(tmp_path / name)).read()
        kinds.add(error_kind(str(error.value)))
    assert len(kinds) == 1


def test_loaded_media_travel(tmp_path: Path) -> None:
    """Loaded media hold their bytes, survive pickling, and no longer need their file."""
    (tmp_path / "v.mp4").write_bytes(b"video")
    media = read_manifest(manifest(tmp_path, {"video": "v.mp4"})).row(0).media["video"]
    loaded = pickle.loads(pickle.dumps(media.loaded()))
    (tmp_path / "v.mp4").unlink()
    assert loaded.read() == b"video"
    assert loaded.sha256() == hashlib.sha256(b"video").hexdigest()
    assert loaded.loaded() is loaded
    with pytest.raises(RowError, match=r"video: no file at .*v\.mp4"):
        media.read()


def test_media_without_prompt(tmp_path: Path) -> None:
    """A row needs a prompt, an image or a video; a control sequence alone is not enough."""
    (tmp_path / "a.png").write_bytes(picture())
    cells: list[dict[str, Any]] = [{"image": "a.png"}, {"video": "a.png"}, {"control": "a.png"}]
    source = manifest(tmp_path, *({"prompt": None} | cell for cell in cells))
    assert [(problem.row, problem.found) for problem in check_manifest(source)] == [(3, "no content")]


def test_ids_of_media_rows(tmp_path: Path) -> None:
    """A derived id depends on the path as written, or on the bytes, not on the manifest's folder."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        (tmp_path / name / "a.png").write_bytes(picture())
    ids = [
        read_manifest(manifest(tmp_path / name, {"image": "a.png"})).row(0).row_id for name in ("one", "two")
    ]
    assert ids[0] == ids[1]


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    """The digest of a file of 300 MB takes a part of it at a time."""
    (tmp_path / "large.mp4").touch()
    os.truncate(tmp_path / "large.mp4", 300 << 20)
    tracemalloc.start()
    try:
        digest = Media("video", str(tmp_path / "large.mp4"), within=str(tmp_path)).sha256()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert digest == hashlib.sha256(bytes(300 << 20)).hexdigest()
    assert peak_bytes < 50 << 20


def test_a_file_has_one_version_as_a_path_and_as_a_uri(tmp_path: Path) -> None:
    """A ``file:`` URI with escaped characters names the same file as its path; a missing file has none."""
    (tmp_path / "a b.png").write_bytes(picture())
    path, uri = str(tmp_path / "a b.png"), f"file://{tmp_path}/a%20b.png"
    assert Media("image", path).version() is not None
    assert Media("image", uri).version() == Media("image", path).version()
    assert Media("image", f"{tmp_path}/missing.png").version() is None
