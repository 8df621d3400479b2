"""The kept inputs of the fuzzers, and some mutations of valid inputs in each run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import edited
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=6)


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs(name: str) -> None:
    """Valid inputs, and every input that once caused a fault."""
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_inputs(name: str, data: st.DataObject) -> None:
    """A valid input with some bytes replaced, removed or added is read, or refused with a message."""
    seed = data.draw(st.sampled_from(seeds(name)))
    TARGETS[name](edited(seed, data.draw(EDITS)))
