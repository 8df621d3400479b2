"""Arrow and Feather files, and folders of ``datasets.save_to_disk``: the rows and the limits of Parquet."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import Limits, read_manifest
from t2vbatch.manifest.raw import BATCH_ROWS
from tests.pictures import picture

TABLE = pa.table(
    {
        "prompt": ["a cat", "a dog", None],
        "image": [None, None, {"bytes": picture(), "path": "x.png"}],
        "seed": pa.array([7, None, 2], pa.int64()),
        "kind": pa.array(["x", None, "x"]).dictionary_encode(),
        "when": pa.array([1, None, 2], pa.timestamp("us")),
        "tags": [["a"], [], None],
        "score": pa.array([0.1, None, 2], pa.float32()),
    }
)


def stream(table: pa.Table, compression: str | None = None, rows: int = 2) -> bytes:
    """An Arrow stream with batches of ``rows`` rows."""
    sink = io.BytesIO()
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def arrow_file(table: pa.Table) -> bytes:
    """An Arrow file with batches of two rows."""
    sink = io.BytesIO()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def feather_file(compression: str) -> bytes:
    """A Feather file, as pandas writes it."""
    sink = io.BytesIO()
    feather.write_feather(TABLE, sink, compression=compression)
    return sink.getvalue()


def views(table: pa.Table) -> pa.Table:
    """The table with views of texts, as polars writes it."""
    schema = pa.schema([("prompt", pa.string_view()), *list(table.schema)[1:]])
    return table.cast(schema)


FORMS: dict[str, Callable[[], bytes]] = {
    "stream": lambda: stream(TABLE),
    "compressed stream": lambda: stream(TABLE, "zstd"),
    "file": lambda: arrow_file(TABLE),
    "Feather with LZ4": lambda: feather_file("lz4"),
    "Feather with Zstandard": lambda: feather_file("zstd"),
    "Feather without compression": lambda: feather_file("uncompressed"),
    "views": lambda: stream(views(TABLE)),
}


def complaint(path: Path, content: bytes, limits: Limits | None = None) -> str:
    """The message of an Arrow file that is refused."""
    path.write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(path), limits=limits or Limits())
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_arrow_has_the_rows_of_parquet(tmp_path: Path, form: str) -> None:
    """Rows, ids, types, media and notes are those of the same table in Parquet."""
    pq.write_table(TABLE, tmp_path / "m.parquet")
    (tmp_path / "m.arrow").write_bytes(FORMS[form]())
    plain, read = (read_manifest(str(tmp_path / name)) for name in ("m.parquet", "m.arrow"))
    assert (list(read), read.notes) == (list(plain), plain.notes)
    assert [row.media for row in read][2]["image"].data == picture()
    assert read.columns == plain.columns


def test_large_batches_are_read_in_parts(tmp_path: Path) -> None:
    """A batch may have more rows than are read at once."""
    count = BATCH_ROWS + 10
    table = pa.table({"prompt": pa.array([f"p{n}" for n in range(count)], pa.string_view())})
    (tmp_path / "m.arrow").write_bytes(stream(table, rows=count))
    manifest = read_manifest(str(tmp_path / "m.arrow"))
    assert [row.prompt for row in manifest] == table["prompt"].to_pylist()


def test_a_saved_dataset_is_the_files_that_it_lists(tmp_path: Path) -> None:
    """The caches in a folder of datasets.save_to_disk are no rows, and its files follow its own list."""
    for name, prompt in (("data-00000-of-00002", "a"), ("data-00001-of-00002", "b"), ("cache-12", "c")):
        (tmp_path / f"{name}.arrow").write_bytes(stream(pa.table({"prompt": [prompt]})))
    (tmp_path / "dataset_info.json").write_text("{}")
    listed = [{"filename": f"data-0000{n}-of-00002.arrow"} for n in (0, 1)]
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": listed, "_split": "train"}))
    assert [row.prompt for row in read_manifest(str(tmp_path))] == ["a", "b"]
    (tmp_path / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(ManifestError, match="a folder without 'data-00001"):
        read_manifest(str(tmp_path))
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ManifestError, match=r"a state\.json that lists no files"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("form", ["stream", "file", "Feather with LZ4"])
def test_a_damaged_arrow_file_is_rows_or_one_problem(tmp_path: Path, form: str) -> None:
    """A file that is cut anywhere is unreadable; one with other bytes is a table or a ManifestError."""
    data = FORMS[form]()
    chance = random.Random(0)
    for end in (chance.randrange(len(data)) // 8 * 8 for _ in range(20)):
        assert "unreadable Arrow in m.arrow" in complaint(tmp_path / "m.arrow", data[:end])
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "m.arrow").write_bytes(changed)
        with contextlib.suppress(ManifestError):
            read_manifest(str(tmp_path / "m.arrow"))


def test_sizes_are_checked_before_anything_is_unpacked(tmp_path: Path) -> None:
    """A compressed buffer that claims more bytes than are allowed is refused by its claim."""
    data = stream(pa.table({"prompt": ["x" * 1_000_000]}), "zstd")
    small = Limits(decoded_bytes=900_000)
    assert "more than 900,000 bytes of cells" in complaint(tmp_path / "m.arrow", data, small)
    claim = (1_000_000).to_bytes(8, "little")
    before, _, after = data.rpartition(claim)
    bomb = before + (1 << 50).to_bytes(8, "little") + after
    assert "bytes of cells" in complaint(tmp_path / "m.arrow", bomb)


def test_rows_without_bytes_are_counted(tmp_path: Path) -> None:
    """A column of nulls has no buffers, whatever its length."""
    data = stream(pa.table({"prompt": pa.nulls(50_000)}), rows=50_000)
    assert "more than 1,000 rows" in complaint(tmp_path / "m.arrow", data, Limits(rows=1_000))


def test_batches_without_rows_count_for_nothing(tmp_path: Path) -> None:
    """Writers may write empty batches."""
    table = pa.table({"prompt": ["a"]})
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        for rows in ([], [{"prompt": "a"}], []):
            writer.write_batch(pa.RecordBatch.from_pylist(rows, table.schema))
    (tmp_path / "m.arrow").write_bytes(sink.getvalue())
    assert len(read_manifest(str(tmp_path / "m.arrow"), limits=Limits(rows=1))) == 1


def test_repeated_texts_are_bounded_once_decoded(tmp_path: Path) -> None:
    """A dictionary or views may name the same bytes in every row."""
    indices = pa.array([0] * 2_000, pa.int32())
    dictionary = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 100_000]))
    _, views, text = pa.array(["x" * 100_000], pa.string_view()).buffers()
    repeated = pa.py_buffer(views.to_pybytes() * 2_000)
    view = pa.Array.from_buffers(pa.string_view(), 2_000, [None, repeated, text])
    for note in (dictionary, view):
        data = stream(pa.table({"id": range(2_000), "prompt": ["a"] * 2_000, "note": note}), rows=2_000)
        assert len(data) < 1_000_000
        limits = Limits(decoded_bytes=100_000_000)
        assert "bytes of cells" in complaint(tmp_path / "m.arrow", data, limits)


@pytest.mark.parametrize(
    "array",
    [
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"])),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
        pa.array([[1]], pa.list_view(pa.int8())),
        pa.array([["a"]], pa.list_(pa.string_view())),
        pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([{}], pa.struct([])),
    ],
    ids=lambda array: str(array.type)[:12],
)
def test_types_that_parquet_does_not_have_are_refused(tmp_path: Path, array: pa.Array) -> None:
    """The message names the column and its type."""
    data = stream(pa.table({"prompt": ["a"], "x": array}))
    assert "column 'x' of the type" in complaint(tmp_path / "m.arrow", data)
