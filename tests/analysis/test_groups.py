"""Groups by a manifest column."""

import pyarrow as pa

from t2vbatch.analysis.groups import grouped, labels_of


def test_a_list_of_values_is_several_groups() -> None:
    """A list, and a joined text whose parts stand alone elsewhere, count for each of their values."""
    joined = pa.chunked_array([["color", "scene", "color, scene", None, "Paris, France"]])
    assert labels_of(joined) == [("color",), ("scene",), ("color", "scene"), ("(none)",), ("Paris, France",)]
    lists = pa.chunked_array([[["a", "b"], ["b"], [], None]])
    assert labels_of(lists) == [("a", "b"), ("b",), ("(none)",), ("(none)",)]


def test_models_are_grouped_by_their_own_columns() -> None:
    """Each group has the rows of every model with its label, whatever the column is called."""
    first = pa.table({"row": [1, 2, 3], "topic": ["x", "y", "x, y"]})
    second = pa.table({"row": [4, 5], "manifest_topic": ["x", "x, y"]})
    found = grouped({"a": first, "b": second}, {"a": "topic", "b": "manifest_topic"})
    rows = {
        label: {name: table["row"].to_pylist() for name, table in part.items()}
        for label, part in found.items()
    }
    assert rows == {"x": {"a": [1, 3], "b": [4, 5]}, "y": {"a": [2, 3], "b": [5]}}
