"""Random bytes and random tables as manifests: rows or a ManifestError, and nothing read that may not be."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2vbatch.canonical import digest
from t2vbatch.errors import ManifestError, RowError
from t2vbatch.job import LIMITS
from t2vbatch.manifest import Manifest, Media, check_manifest, read_manifest
from t2vbatch.manifest.cells import is_blank, read_plain, readers
from t2vbatch.manifest.columns import ALIASES, CANONICAL
from t2vbatch.media.frame_folder import unpack_frames
from t2vbatch.media.images import decode_image

SECRET = b"a secret file"
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.one_of(st.sampled_from([*CANONICAL, *ALIASES, "steps", "$id", "row_id", ""]), st.text(max_size=8))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
visible = st.text(st.characters() | st.sampled_from(" \x00\x7f\u2028\u200b\xad日"), max_size=4)
paths = st.sampled_from(
    [
        "a.png",
        "../secret",
        "/etc/passwd",
        "link",
        "frames",
        "file:///etc/passwd",
        "http://127.0.0.1:9/",
        "a\x00b",
        "//",
    ]
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text, paths)
cells = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)
seeds_of_parquet = st.sampled_from(
    [
        pa.table({"prompt": ["a", "b"], "seed": [1, None], "image": [{"bytes": b"x", "path": None}, None]}),
        pa.table(
            {
                "text": pa.array(["a", "b"] * 50).dictionary_encode(),
                "when": pa.array([1] * 100, pa.timestamp("ns")),
            }
        ),
        pa.table({"prompt": ["long " * 100] * 20, "nested": [[{"a": [1, None]}]] * 20}),
    ]
)


def outcome(name: str, content: bytes) -> Manifest | None:
    """Read a manifest of this content in a folder of its own, go through it, and use all that it names."""
    with tempfile.TemporaryDirectory() as top:
        (Path(top) / "secret").write_bytes(SECRET)
        folder = Path(top) / "set"
        folder.mkdir()
        (folder / "link").symlink_to(Path(top) / "secret")
        (folder / "frames").mkdir()
        (folder / "frames" / "0.png").symlink_to(Path(top) / "secret")
        (folder / name).write_bytes(content)
        source = str(folder / name)
        problems = check_manifest(source)
        if problems:
            with pytest.raises(ManifestError, match="found") as caught:
                read_manifest(source)
            assert caught.value.problems == problems
            return None
        manifest = read_manifest(source)
        use(manifest)
        return manifest


def use(manifest: Manifest) -> None:
    """Everything that the rest of the house does with a manifest."""
    ids = [row.row_id for row in manifest]
    assert len(set(ids)) == len(ids) == len(manifest) > 0
    assert all(ids)
    for index, row in enumerate(manifest):
        assert repr(manifest.row(index)) == repr(row)
        assert row.prompt or {"image", "video"} & set(row.media)
        digest([row.prompt, row.negative_prompt, row.seed, row.models])
        for media in row.media.values():
            try:
                assert SECRET not in media.read()
            except RowError:
                continue
    pq.write_table(manifest.extra_table(), io.BytesIO())


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON Lines, with what Python writes for infinities."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl", "parquet"])
@FUZZ
@given(data=st.binary(max_size=300))
def test_random_bytes(suffix: str, data: bytes) -> None:
    """Any bytes under any ending are rows or a ManifestError."""
    outcome(f"m.{suffix}", data)


@FUZZ
@given(
    lines=st.lists(
        st.lists(st.one_of(text, paths, st.integers().map(str)), max_size=4), min_size=1, max_size=5
    )
)
def test_random_csv(lines: list[list[str]]) -> None:
    """Any quoted table under any header is rows or a ManifestError."""
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    outcome("m.csv", ("prompt,image,x\n" + "\n".join(quoted)).encode())


@FUZZ
@given(rows=st.lists(st.dictionaries(names, cells, max_size=5), min_size=1, max_size=5))
def test_random_objects(rows: list[dict[str, Any]]) -> None:
    """Any JSON objects are rows or a ManifestError."""
    outcome("m.jsonl", as_jsonl(rows))


@FUZZ
@given(
    rows=st.lists(st.tuples(text, st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1, max_size=5)
)
def test_good_rows_are_read(rows: list[tuple[str, int, bool]]) -> None:
    """Rows of text, integers and truths are read back as they were written: no blank text, no code 0."""
    good = [row for row in rows if not is_blank(row[0]) and "\0" not in row[0]]
    if good:
        lines = [{"id": index, "prompt": row[0], "n": row[1], "on": row[2]} for index, row in enumerate(good)]
        manifest = outcome("m.jsonl", as_jsonl(lines))
        assert manifest is not None
        assert [(row.prompt, row.columns["n"], row.columns["on"]) for row in manifest] == good


@FUZZ
@given(table=seeds_of_parquet, data=st.data())
def test_damaged_parquet(table: pa.Table, data: st.DataObject) -> None:
    """A Parquet file with any bytes changed or its end cut off is rows or a ManifestError."""
    written = io.BytesIO()
    pq.write_table(table, written, compression=data.draw(st.sampled_from(["none", "snappy", "zstd"])))
    content = bytearray(written.getvalue())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    outcome("m.parquet", bytes(content[:end]))


@pytest.mark.parametrize("use_bytes", [decode_image, unpack_frames])
@FUZZ
@given(
    data=st.one_of(
        st.binary(max_size=600),
        st.tuples(
            st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF89a", b"II*\x00"]),
            st.binary(),
        ).map(b"".join),
        st.binary(min_size=300, max_size=2000).map(lambda data: data[:257] + b"ustar\x0000" + data[265:]),
    )
)
def test_random_media(use_bytes: Callable[[bytes], Any], data: bytes) -> None:
    """Any bytes as an image or as a folder of frames are one, none, or a RowError."""
    with contextlib.suppress(RowError):
        use_bytes(data)


@FUZZ
@given(cell=st.one_of(text, paths, st.tuples(paths, text).map("".join)))
def test_random_paths(cell: str) -> None:
    """Any text as a path is a file of the folder or a RowError, and never the secret."""
    with tempfile.TemporaryDirectory() as top:
        (Path(top) / "secret").write_bytes(SECRET)
        folder = Path(top) / "set"
        folder.mkdir()
        (folder / "link").symlink_to(Path(top) / "secret")
        try:
            assert SECRET not in Media("image", f"{folder}/{cell}", within=str(folder)).read()
        except RowError:
            return


@FUZZ
@given(st.lists(st.none() | visible, max_size=4), st.sampled_from(["id", "prompt", "negative_prompt"]))
def test_a_column_of_text_is_read_like_its_cells(values: list[str | None], name: str) -> None:
    """What is read at once is what the reader of the column makes of each cell."""
    plain = read_plain(name, values, LIMITS)
    if plain is not None:
        read = readers(LIMITS, textual=False)[name]
        assert plain.to_pylist() == [None if value is None else read(value) for value in values]


@pytest.mark.parametrize("name", ["id", "prompt", "negative_prompt"])
@pytest.mark.parametrize("value", ["a red ball", "一个红球", "🎈", None])
def test_usual_text_is_read_at_once(name: str, value: str | None) -> None:
    """Of text in any script, no cell is read by itself."""
    plain = read_plain(name, pa.array([value], pa.string()), LIMITS)
    assert plain is not None
    assert plain.to_pylist() == [value]
