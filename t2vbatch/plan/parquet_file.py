"""Reading a Parquet file of an output, which may be damaged or made by another program."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


class DamagedFileError(ValueError):
    """The file is not what this program writes."""


def read_checked_parquet(
    data: bytes, columns: Sequence[str] | None = None, required: Sequence[str] = ()
) -> pa.Table:
    """The table in a Parquet file, with every value checked: Arrow reads text that is not UTF-8 without an
    error.

    Args:
        columns: those to read, if the file has them; None for all.
        required: columns that the file must have.

    Raises:
        DamagedFileError: it cannot be read, holds invalid values, or lacks a required column.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        names = file.schema_arrow.names
        if missing := [name for name in required if name not in names]:
            raise DamagedFileError(f"it has no column {', '.join(missing)}")
        table = file.read(columns=None if columns is None else [name for name in columns if name in names])
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DamagedFileError(reason) from error
    return table
