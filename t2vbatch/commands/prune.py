"""Deletes superseded samples. Nothing else in this program deletes a finished sample."""

from t2vbatch.output.store import open_store
from t2vbatch.output.superseded import Superseded, find_superseded
from t2vbatch.output.superseded import prune as delete_superseded


def find_prunable(output: str) -> Superseded:
    """What ``prune_output`` would delete.

    Raises:
        UsageError: no run has begun there.
    """
    store = open_store(output)
    return find_superseded(store, store.read_plan())


def prune_output(output: str) -> Superseded:
    """Delete the superseded samples of an output, and return what was deleted.

    Raises:
        UsageError: no run has begun there.
        LeaseHeldError: another process is writing there.
    """
    with open_store(output).lease() as store:
        found = find_superseded(store, store.read_plan())
        delete_superseded(store, found)
        return found
