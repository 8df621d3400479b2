"""The rate of a run: over the last ten minutes, and the same for the run and for its status."""

from t2vbatch.commands.pace import rate_per_min, remaining_s


def test_the_rate_counts_from_the_start_of_the_first_sample() -> None:
    """Six samples in two minutes are three per minute."""
    assert rate_per_min([1, 20, 40, 60, 80, 110], 120) == 3


def test_the_rate_is_that_of_the_last_ten_minutes() -> None:
    """Older samples do not count; without a recent one there is no rate."""
    assert rate_per_min([30, 300, 700, 5000], 6000) == 0.2
    assert rate_per_min([700], 6000) is None
    assert rate_per_min([], 5) is None


def test_a_burst_at_the_start_is_no_rate_of_thousands() -> None:
    """The first second counts as a whole second."""
    assert rate_per_min([0.0], 0.001) == 60


def test_the_time_left_follows_from_the_rate() -> None:
    """Ten pending samples at two per minute take five minutes."""
    assert remaining_s(10, 2) == 300
    assert remaining_s(10, None) is None
