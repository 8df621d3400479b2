"""Parquet: one file, or several that are read as one table in the order of their names."""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from t2vbatch.manifest.limits import Limits
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import BATCH_BYTES, BATCH_ROWS, Batch, Raw

# What pyarrow raises on files that are cut off or made to hurt; ArrowInvalid is a ValueError, too.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def read_parquet(openers: Sequence[Callable[[], BinaryIO]], problems: Problems, limits: Limits) -> Raw:
    """All rows of all files. A column that some files lack is null in their rows."""
    names: dict[str, None] = {}
    rows = 0
    for opener in openers:
        with opener() as binary:
            file = _opened(binary, problems)
            own = _names(file, problems)
            for name in sorted({name for name in own if own.count(name) > 1}):
                raise problems.stop(f"{own.count(name)} columns {name!r}", "each name once")
            names.update(dict.fromkeys(own))
            rows += file.metadata.num_rows
    if rows > limits.rows:
        raise problems.stop(f"{rows:,} rows", f"at most {limits.rows:,}", "split it into several jobs")
    return Raw(tuple(names), _batches(openers, problems))


def _opened(binary: BinaryIO, problems: Problems) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(binary)
    except _UNREADABLE as error:
        raise _broken(error, problems) from None


def _names(file: pq.ParquetFile, problems: Problems) -> list[str]:
    try:
        return list(file.schema_arrow.names)
    except _UNREADABLE as error:
        raise _broken(error, problems) from None


def _batches(openers: Sequence[Callable[[], BinaryIO]], problems: Problems) -> Iterator[Batch]:
    for opener in openers:
        with opener() as binary:
            file = _opened(binary, problems)
            try:
                for batch in file.iter_batches(batch_size=_batch_rows(file.metadata)):
                    # Readers trust offsets and text; these come from a file, and nobody has checked them.
                    batch.validate(full=True)
                    cells = {name: _plain(batch.column(name)) for name in batch.schema.names}
                    yield Batch(batch.num_rows, cells)
            except _UNREADABLE as error:
                raise _broken(error, problems) from None


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    size = sum(int(group.total_byte_size) for group in groups)
    per_row = max(1, size // max(1, int(metadata.num_rows)))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // per_row))


def _plain(array: pa.Array) -> pa.Array:
    """The array without what only its writer knew: extension types, and the categories of pandas."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _broken(error: Exception, problems: Problems) -> Exception:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return problems.stop(f"unreadable Parquet ({reason})", "a whole Parquet file", "write the file again")
