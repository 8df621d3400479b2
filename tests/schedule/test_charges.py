"""Charges of samples, and how long a worker is trusted."""

from t2vbatch.schedule.charges import Charges


def test_patience_is_short_again_after_a_suspicion_that_was_right() -> None:
    """The second worker needs a longer streak, unless a sample that the first one failed has succeeded."""
    charges = Charges()
    for position in range(3):
        charges.charge(position)
    assert charges.is_worker_fault("x", [[0], [1], [2]])
    assert charges.charges(0) == 0
    later = [[3], [4], [5]]
    assert not charges.is_worker_fault("x", later)
    charges.clear("x", 0)
    assert charges.is_worker_fault("x", later)
