"""How many units a worker gets at once: one, unless they are so short that messages cost more.  [pure]

A process that dies with such units may have died of any of them, because it reported none yet. They are tried
again uncharged, and from then on all units of the model are given one by one, so that the
next death shows which unit causes it.
"""

SHORT_S = 0.05
"""A unit that takes longer is given alone: a message costs driver and worker about a millisecond."""

TOGETHER_S = 0.2
"""About how long units that are given at once may take together. A worker returns those that it has not begun
by then, so that at the end of a run no other worker waits long for them."""


def units_at_once(unit_s: float | None, most: int) -> int:
    """Units that a worker may get at once, at most ``most``.

    Args:
        unit_s: seconds that the worker took for each of its last units; None: not known yet.
    """
    if unit_s is None or unit_s >= SHORT_S:
        return 1
    return most if unit_s * most <= TOGETHER_S else int(TOGETHER_S / unit_s)
