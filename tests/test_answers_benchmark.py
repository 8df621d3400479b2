"""The benchmark of answer times: its table, and the page that it is written into."""

import pytest

from tests.benchmarks.answers import COMMANDS, README, Answer, Command, row, with_table


def test_a_row_has_the_goal_the_old_value_and_the_median() -> None:
    """A row has the goal, the old value and the median, which one slow process does not change."""
    warm = [Answer(0.5, 0.4), Answer(9.0, 8.0), Answer(0.6, 0.5)]
    shown = row(Command("plan job.yaml", 2.0, 4.83, note="all done"), Answer(1.0, 0.9), warm)
    assert shown == "| `t2vbatch plan job.yaml`, all done | 2 | 4.83 | 1.00 | 0.60 | 0.50 |"


def test_the_table_of_the_page_is_replaced_and_nothing_else() -> None:
    """Only the table of the page is replaced; a page without the table is an error."""
    text = README.read_text()
    rows = [row(command, Answer(1, 1), [Answer(1, 1)]) for command in COMMANDS]
    written = with_table(text, rows)
    assert with_table(written, ["| x |"]).count("| x |") == 1
    above, _, rest = text.partition("| command | goal, s |")
    assert written.startswith(above)
    assert written.endswith(rest[rest.index("\n\n") :])
    assert all(line in written.splitlines() for line in rows)
    with pytest.raises(ValueError, match="0 tables"):
        with_table("no table", rows)
