"""A short soak."""

import tempfile
from pathlib import Path

import pytest

from tests.soak.run import soak


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_short_soak_leaves_nothing_behind() -> None:
    """200 samples with every fault at once: nothing grows, nothing is left behind, every outcome is right."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        report = soak(Path(folder), samples=200, seed=1)
    assert not report.failed, str(report)
