"""The column ``samples``: how many videos each row gets from each of its models.  [pure]"""

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.job import Limits
from t2vbatch.manifest.columns import Naming
from t2vbatch.manifest.problems import Problems


def check_samples(table: pa.Table, naming: Naming, limits: Limits, problems: Problems) -> None:
    """Add a problem if the column asks for too many samples in all, or for two numbers for one row.

    Args:
        table: of ``manifest.build``, with ids. Rows with one id and no id column are equal apart from
            ``samples``, and only the first of them is kept.
    """
    if "samples" not in table.column_names:
        return
    column = naming.known["samples"]
    total = pc.sum(table["samples"]).as_py() or 0
    if total > limits.samples:
        problems.add(None, column, f"{total:,} samples in all rows", limits.bound("samples"))
    if "id" in naming.known:
        return
    numbered = table.select(["id", "samples"]).append_column("row", pa.array(range(1, len(table) + 1)))
    found = numbered.group_by("id").aggregate(
        [("samples", "count_distinct", pc.CountOptions("all")), ("row", "min"), ("row", "max")]
    )
    for equal in found.filter(pc.greater(found["samples_count_distinct"], 1)).to_pylist():
        rows = f"equal rows, such as {equal['row_min']} and {equal['row_max']}, with different samples"
        problems.add(equal["row_max"], column, rows, "one number for equal rows, or an id column")
