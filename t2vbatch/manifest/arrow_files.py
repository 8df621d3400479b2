"""Arrow files: streams and files of Arrow IPC, such as Feather; one file, or several files as one table."""

from collections.abc import Iterator, Sequence
from io import SEEK_END, BytesIO
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from t2vbatch.job import Limits
from t2vbatch.manifest.arrow_types import plain_array
from t2vbatch.manifest.parquet import check_columns, explained, parts_of
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import BATCH_BYTES, BATCH_ROWS, Batch, Raw
from t2vbatch.manifest.sources import File

_MAGIC = b"ARROW1\0\0"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_HEADER, _ROWS, _BUFFERS, _COMPRESSION, _DICTIONARY_BATCH = 2, 0, 2, 3, 1
"""Fields of Message, RecordBatch and DictionaryBatch in Arrow's Message.fbs, by their order."""

_REPEATING = (pa.types.is_dictionary, pa.types.is_string_view, pa.types.is_binary_view)
_LIST_VIEWS = (pa.types.is_list_view, pa.types.is_large_list_view)


def read_arrow(files: Sequence[File], problems: Problems, limits: Limits) -> Raw:
    """All rows of all files. A column that a file lacks is null in its rows.

    The sizes are taken from the headers of the messages, because Arrow allocates the size that a compressed
    buffer claims.
    """
    names: dict[str, None] = {}
    rows = size = 0
    for file in files:
        with file.open() as binary, explained(file, problems, "Arrow"):
            schema = ipc.open_stream(_stream(binary)).schema
            nested = [kind for field in schema for kind in _nested(field.type)]
            check_columns(schema.names, len(nested), file, problems, limits)
            _refuse_types(schema, file, problems)
            for message in ipc.MessageReader.open_stream(_stream(binary)):
                own_rows, own_size = _extent(message)
                rows, size = rows + own_rows, size + own_size
                if rows > limits.rows:
                    found = f"more than {limits.rows:,} rows"
                    raise problems.stop(found, limits.bound("rows"), "split it into several jobs")
                if size > limits.decoded_bytes:
                    found = f"more than {limits.decoded_bytes:,} bytes of cells"
                    raise problems.stop(found, limits.bound("decoded_bytes"), "split the manifest")
        names.update(dict.fromkeys(schema.names))
    return Raw(tuple(names), _batches(files, problems))


def _batches(files: Sequence[File], problems: Problems) -> Iterator[Batch]:
    for file in files:
        with file.open() as binary, explained(file, problems, "Arrow"):
            for batch in ipc.open_stream(_stream(binary)):
                batch.validate(full=True)  # as of Parquet
                bytes_per_row = max(1, batch.nbytes // max(1, batch.num_rows))
                step = max(1, min(BATCH_ROWS, BATCH_BYTES // bytes_per_row))
                for start in range(0, batch.num_rows, step):
                    for part in parts_of(batch.slice(start, step)):
                        cells = {name: plain_array(part.column(name)) for name in part.schema.names}
                        yield Batch(part.num_rows, cells)


def _stream(binary: BinaryIO) -> BinaryIO:
    """The file at the start of its stream. An Arrow file is a stream between two marks.

    Raises:
        ValueError: the end of the stream is missing, which Arrow does not demand.
    """
    binary.seek(max(0, binary.seek(0, SEEK_END) - len(_END_OF_STREAM)))
    end = binary.read()
    binary.seek(0)
    marked = binary.read(len(_MAGIC)) == _MAGIC
    if not (end.endswith(_MAGIC.rstrip(b"\0")) if marked else end == _END_OF_STREAM):
        raise ValueError("its end is missing")
    binary.seek(len(_MAGIC) if marked else 0)
    return binary


def _nested(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type, and all types within it."""
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from _nested(kind.storage_type)
    elif pa.types.is_dictionary(kind):
        yield from _nested(kind.value_type)
    else:
        for index in range(kind.num_fields):
            yield from _nested(kind.field(index).type)


def _refuse_types(schema: pa.Schema, file: File, problems: Problems) -> None:
    """Stop at types that no output can hold, and at nested ones that repeat few bytes many times."""
    for field in schema:
        is_dictionary = pa.types.is_dictionary(field.type)
        inner = list(_nested(field.type.value_type if is_dictionary else field.type))
        nested_dictionary = is_dictionary and len(inner) > 1
        repeated = any(is_kind(one) for one in inner[1:] for is_kind in _REPEATING)
        views = any(is_kind(one) for one in inner for is_kind in _LIST_VIEWS)
        if nested_dictionary or repeated or views or not _is_in_parquet(field.type):
            found = f"column {field.name!r} of the type {str(field.type)[:80]}, in {file.name}"
            raise problems.stop(found, "a type that Parquet has", "write Parquet")


def _is_in_parquet(kind: pa.DataType) -> bool:
    """Whether Parquet, in which plan and results are written, has a type."""
    try:
        pq.ParquetWriter(BytesIO(), pa.schema([("", plain_array(pa.array([], kind)).type)])).close()
    except (pa.ArrowException, OSError):
        return False
    return True


def _extent(message: ipc.Message) -> tuple[int, int]:
    """The rows of a message, and the bytes of its buffers after decompression."""
    if message.type not in ("record batch", "dictionary"):
        return 0, 0
    metadata = memoryview(message.metadata)
    batch = _Table(metadata, _number(metadata, 0, 4)).table(_HEADER)
    is_dictionary = message.type == "dictionary"
    if is_dictionary:
        batch = batch.table(_DICTIONARY_BATCH)
    at = batch.place(_BUFFERS)
    at += _number(metadata, at, 4)
    count = _number(metadata, at, 4)
    buffers = np.frombuffer(metadata, np.int64, 2 * count, at + 4).reshape(count, 2)
    if not batch.place(_COMPRESSION):
        size = int(buffers[:, 1].sum())
    else:
        # A compressed buffer begins with its uncompressed size, or with -1 if it is not compressed.
        body = memoryview(message.body or b"")
        claimed = [(_number(body, start, 8), length) for start, length in buffers.tolist() if length]
        size = sum(length if own == (1 << 64) - 1 else own for own, length in claimed)
    place = 0 if is_dictionary else batch.place(_ROWS)  # FlatBuffers leave out a field that is 0.
    return _number(metadata, place, 8) if place else 0, size


class _Table:
    """A table of FlatBuffers, in which Arrow writes the header of a message."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at

    def place(self, field: int) -> int:
        """Where a field is; 0 if the table does not have it."""
        layout = self._at - _number(self._data, self._at, 4)
        entry = 4 + 2 * field
        offset = _number(self._data, layout + entry, 2) if entry < _number(self._data, layout, 2) else 0
        return self._at + offset if offset else 0

    def table(self, field: int) -> "_Table":
        place = self.place(field)
        return _Table(self._data, place + _number(self._data, place, 4))


def _number(data: memoryview, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
