"""Work for threads, several items at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from t2vbatch.manifest.in_parts import map_in_parts


@pytest.mark.parametrize("count", [0, 1, 4, 5, 17])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    """Each item has one result, at its place, also in a last part that is not full."""
    with ThreadPoolExecutor(3) as threads:
        assert list(map_in_parts(threads, str, range(count), 4)) == [str(item) for item in range(count)]


def test_an_error_of_an_item_is_raised_at_its_part() -> None:
    """The results of earlier parts are there when an item raises."""
    with ThreadPoolExecutor(3) as threads:
        results = map_in_parts(threads, lambda item: 1 // (5 - item), range(8), 2)
        assert [next(results) for _ in range(4)] == [0, 0, 0, 0]
        with pytest.raises(ZeroDivisionError):
            next(results)
