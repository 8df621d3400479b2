"""The rate of a run: over the last ten minutes, and the same for the run and for its status."""

from t2vbatch.commands.pace import Pace, remaining_s


class _Run:
    """A pace with a clock of its own, started at second 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = Pace(lambda: self.now)
        self.pace.add(0)

    def finish(self, *times_s: float) -> None:
        """Finish one more sample at each of these seconds."""
        for done, self.now in enumerate(times_s, 1):
            self.pace.add(done)


def test_the_rate_counts_from_the_start_of_the_first_sample() -> None:
    """Six samples in two minutes are three per minute."""
    run = _Run()
    run.finish(10, 40, 60, 80, 100, 119.5)
    run.now = 120
    assert run.pace.rate_per_min() == 3


def test_the_rate_is_that_of_the_last_ten_minutes() -> None:
    """Older samples do not count; without a recent one there is no rate."""
    run = _Run()
    assert run.pace.rate_per_min() is None
    run.finish(1000, 5300, 5700, 5970)
    run.now = 6000
    assert run.pace.rate_per_min() == 0.2
    run.now = 9000
    assert run.pace.rate_per_min() is None


def test_a_burst_at_the_start_is_no_rate_of_thousands() -> None:
    """The first second counts as a whole second in the rate."""
    run = _Run()
    run.finish(0.001)
    assert run.pace.rate_per_min() == 60


def test_samples_that_are_finished_together_are_counted_together() -> None:
    """The rate counts all of a thousand samples per second."""
    run = _Run()
    run.finish(*(index / 1000 for index in range(1, 60_001)))
    assert run.pace.rate_per_min() == 60_000


def test_the_time_left_follows_from_the_rate() -> None:
    """Ten pending samples at two per minute take five minutes."""
    assert remaining_s(10, 2) == 300
    assert remaining_s(10, None) is None
