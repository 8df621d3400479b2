"""The quick faults of the list; ``make faults`` tries all of them."""

from pathlib import Path

import pytest

from tests.faults.case import run_trial
from tests.faults.table import FAULTS, Fault


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.quick], ids=lambda fault: fault.name)
def test_every_invariant_holds_after(fault: Fault, tmp_path: Path) -> None:
    """Nothing is lost, generated twice or charged wrongly, and all bytes are those of an undisturbed run."""
    assert run_trial(fault, 0, tmp_path).broken == ()
