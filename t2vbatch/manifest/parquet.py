"""Parquet: one file, or several files as one table in the order of their names."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.job import Limits
from t2vbatch.manifest.arrow_types import plain_array
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import BATCH_BYTES, BATCH_ROWS, Batch, Raw
from t2vbatch.manifest.sources import File
from t2vbatch.storage.file_kinds import HEAD_BYTES, file_kind

_BUFFER_BYTES = 1 << 20
"""Pages are read through a buffer: without one, Arrow reads a whole column of a row group at once."""

# What pyarrow raises on truncated or malicious files; ArrowInvalid is a ValueError too.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def read_parquet(files: Sequence[File], problems: Problems, limits: Limits) -> Raw:
    """All rows of all files. A column that a file lacks is null in its rows."""
    names: dict[str, None] = {}
    rows = size = 0
    for file in files:
        with file.open() as binary, explained(file, problems, "Parquet"):
            parquet = _buffered(binary)
            own = parquet.schema_arrow.names
            check_columns(own, int(parquet.metadata.num_columns), file, problems, limits)
            rows += int(parquet.metadata.num_rows)
            size += _real_size(parquet, _repeating(parquet), binary)
        names.update(dict.fromkeys(own))
    if rows > limits.rows:
        raise problems.stop(f"{rows:,} rows", limits.bound("rows"), "split it into several jobs")
    if size > limits.decoded_bytes:
        raise problems.stop(f"{size:,} bytes of cells", limits.bound("decoded_bytes"), "split the manifest")
    return Raw(tuple(names), _batches(files, problems))


def check_columns(names: Sequence[str], fields: int, file: File, problems: Problems, limits: Limits) -> None:
    """Stop at too many columns or fields within them, and at columns of one name."""
    own = Counter(names)
    if len(own) > limits.columns:
        raise problems.stop(f"{len(own):,} columns", limits.bound("columns"))
    name, count = next(iter(own.most_common(1)), ("", 0))
    if count > 1:
        raise problems.stop(f"{count:,} columns {name!r} in {file.name}", "one of each name")
    most = limits.columns * limits.nesting
    if fields > most:
        expected = f"at most {most:,}, which is limits.columns times limits.nesting of the job"
        raise problems.stop(f"{fields:,} fields in its columns", expected)


def _batches(files: Sequence[File], problems: Problems) -> Iterator[Batch]:
    for file in files:
        with file.open() as binary, explained(file, problems, "Parquet"):
            parquet = pq.ParquetFile(binary, read_dictionary=_repeating(_buffered(binary)))
            marked = _marks_texts(parquet.schema_arrow)
            for batch in parquet.iter_batches(batch_size=_batch_rows(parquet.metadata)):
                # Readers of an array trust its offsets and text, so those of a file are checked first.
                batch.validate(full=True)
                for part in parts_of(batch):
                    cells = {name: plain_array(part.column(name)) for name in part.schema.names}
                    if not marked:
                        cells = {name: _text_of_bytes(cell) for name, cell in cells.items()}
                    yield Batch(part.num_rows, cells)


def _marks_texts(schema: pa.Schema) -> bool:
    """Whether a file has a column of texts. Old writers mark none: their texts are columns of bytes."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_text(kind) for kind in kinds for is_text in texts)


def _text_of_bytes(array: pa.Array) -> pa.Array:
    """A column of bytes as texts, if all of them are UTF-8."""
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    if not any(is_kind(array.type) for is_kind in kinds):
        return array
    with contextlib.suppress(pa.ArrowInvalid):
        return array.cast(pa.large_string())
    return array


def _real_size(parquet: pq.ParquetFile, repeating: list[str], binary: BinaryIO) -> int:
    """Bytes of a file's cells in memory: its uncompressed pages, and the decoded cells of dictionaries."""
    groups = range(parquet.metadata.num_row_groups)
    size = sum(int(parquet.metadata.row_group(group).total_byte_size) for group in groups)
    if repeating:
        batches = pq.ParquetFile(binary, read_dictionary=repeating).iter_batches(columns=repeating)
        size += sum(int(_decoded_sizes(batch).sum()) for batch in batches)
    return size


def _repeating(parquet: pq.ParquetFile) -> list[str]:
    """The text and binary columns that a file stores as a dictionary: few bytes there, many in memory."""
    schema, metadata = parquet.schema_arrow, parquet.metadata
    for group in range(metadata.num_row_groups):
        # The description of a damaged column ends the process where the metadata alone are asked for it; a
        # reader of its first row raises.
        next(parquet.iter_batches(batch_size=1, row_groups=[group]), None)
    flat = [field.name for field in schema if _is_bytes(field.type)]
    stored = {
        chunk.path_in_schema
        for group in range(metadata.num_row_groups)
        for chunk in map(metadata.row_group(group).column, range(metadata.num_columns))
        if "RLE_DICTIONARY" in chunk.encodings or "PLAIN_DICTIONARY" in chunk.encodings
    }
    return [name for name in flat if name in stored]


def _buffered(binary: BinaryIO) -> pq.ParquetFile:
    return pq.ParquetFile(binary, buffer_size=_BUFFER_BYTES)


def parts_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts whose dictionaries and views have at most BATCH_BYTES once decoded, or one row."""
    part = np.cumsum(_decoded_sizes(batch)) // BATCH_BYTES
    starts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        if end > start:
            yield batch.slice(start, end - start)


def _decoded_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row in columns of texts and bytes with a dictionary or views, once they are decoded."""
    size = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_bytes(column.type):
            size += _lengths(column.dictionary).take(column.indices).fill_null(0).to_numpy()
        elif _is_view(column.type):
            size += _lengths(column).fill_null(0).to_numpy()
    return size


def _lengths(array: pa.Array) -> pa.Array:
    """Bytes of each text or bytes, int64."""
    if not _is_view(array.type):
        return pc.binary_length(array).cast(pa.int64())
    if not len(array):
        return pa.array([], pa.int64())
    # A view is 16 bytes, of which the first four are its length.
    views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)
    lengths = views[array.offset : array.offset + len(array), 0].astype(np.int64)
    return pa.array(lengths, mask=array.is_null().to_numpy(zero_copy_only=False))


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    types = (*texts, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(is_type(kind) for is_type in types)


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    size = sum(int(group.total_byte_size) for group in groups)
    per_row = max(1, size // max(1, int(metadata.num_rows)))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // per_row))


@contextlib.contextmanager
def explained(file: File, problems: Problems, form: str) -> Iterator[None]:
    """Turn Arrow's errors into one problem. ``form``: what the file should be, Parquet or Arrow."""
    try:
        yield
    except _UNREADABLE as error:
        expected = f"a complete {form} file"
        with file.open() as binary:
            kind = file_kind(binary.read(HEAD_BYTES))
        if kind is not None and form not in kind.name:
            raise problems.stop(f"{kind.name}, in {file.name}", expected, kind.fix) from None
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        found = f"unreadable {form} in {file.name} ({reason})"
        raise problems.stop(found, expected, "write the file again") from None
