"""Parquet: one file, or several files as one table in the order of their names."""

import contextlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from t2vbatch.job import Limits
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import BATCH_BYTES, BATCH_ROWS, Batch, Raw
from t2vbatch.manifest.sources import File

# What pyarrow raises on truncated or malicious files; ArrowInvalid is a ValueError too.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def read_parquet(files: Sequence[File], problems: Problems, limits: Limits) -> Raw:
    """All rows of all files. A column that a file lacks is null in its rows."""
    names: dict[str, None] = {}
    rows = 0
    for file in files:
        with file.open() as binary, _explained(file, problems):
            parquet = pq.ParquetFile(binary)
            own = list(parquet.schema_arrow.names)
            rows += int(parquet.metadata.num_rows)
        twice = [name for name in own if own.count(name) > 1]
        if twice:
            raise problems.stop(
                f"{own.count(twice[0])} columns {twice[0]!r} in {file.name}", "one of each name"
            )
        names.update(dict.fromkeys(own))
    if rows > limits.rows:
        raise problems.stop(f"{rows:,} rows", limits.bound("rows"), "split it into several jobs")
    return Raw(tuple(names), _batches(files, problems))


def _batches(files: Sequence[File], problems: Problems) -> Iterator[Batch]:
    for file in files:
        with file.open() as binary, _explained(file, problems):
            parquet = pq.ParquetFile(binary)
            for batch in parquet.iter_batches(batch_size=_batch_rows(parquet.metadata)):
                # Readers of an array trust its offsets and text, so those of a file are checked first.
                batch.validate(full=True)
                cells = {name: _plain(batch.column(name)) for name in batch.schema.names}
                yield Batch(batch.num_rows, cells)


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    size = sum(int(group.total_byte_size) for group in groups)
    per_row = max(1, size // max(1, int(metadata.num_rows)))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // per_row))


def _plain(array: pa.Array) -> pa.Array:
    """The array without extension types and without the categories of pandas."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


@contextlib.contextmanager
def _explained(file: File, problems: Problems) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        found = f"unreadable Parquet in {file.name} ({reason})"
        raise problems.stop(found, "a complete Parquet file", "write the file again") from None
