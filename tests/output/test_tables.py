"""The tables that people read: no two columns are equal where case is ignored."""

import pyarrow as pa

from t2vbatch.output.record_table import to_table
from t2vbatch.output.tables import make_results
from t2vbatch.plan.plan import PLAN, ROWS, Plan


def test_a_column_that_a_score_has_in_other_case_is_renamed() -> None:
    """A scorer may name its score in capitals; the manifest's column keeps its values under another name."""
    plan = Plan(PLAN.empty_table(), ROWS.empty_table(), pa.table({"sharp": pa.array([], pa.string())}), {})
    names = make_results(plan, to_table([]), ["Sharp"]).column_names
    assert names[-2:] == ["Sharp", "manifest_sharp"]
