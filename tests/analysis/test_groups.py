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


def test_numbers_are_labels_by_their_value() -> None:
    """``2.0`` of one output and ``2`` of another are one group; NaN is missing; 10 comes after 2."""
    first = pa.table({"n": pa.array([10.0, 2.0, float("nan"), 2.5])})
    second = pa.table({"n": pa.array([2, 10, 3, None], pa.int64())})
    found = grouped({"a": first, "b": second}, {"a": "n", "b": "n"})
    assert list(found) == ["2", "2.5", "3", "10", "(none)"]
    assert {label for label, part in found.items() if len(part) == 2} == {"2", "10", "(none)"}
    lists = pa.chunked_array([[[1.0, None], [None]]])
    assert labels_of(lists) == [("1",), ("(none)",)]
