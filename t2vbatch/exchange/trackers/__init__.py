"""A finished run in an experiment tracker: its scores, its summary, a few of its videos.

A tracker is told after the run, from the files of the output, so that it can be told again at any time and
cannot fail a run. Each is an extra: ``pip install 't2vbatch[wandb]'``.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec

from t2vbatch.errors import RunError, T2VBatchError, UsageError, nearest
from t2vbatch.exchange.trackers import to_mlflow, to_wandb
from t2vbatch.exchange.trackers.entry import Entry, entry_of
from t2vbatch.job import Tracker
from t2vbatch.output.store import Store

TRACKERS: dict[str, Callable[[Entry], str]] = {"wandb": to_wandb.send, "mlflow": to_mlflow.send}
"""Package: what sends an entry with it, and returns where it is to be seen."""


def check_trackers(names: Iterable[str]) -> None:
    """Raise UsageError for the first that does not exist, or is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"tracker {name}", "none that is known", nearest(name, list(TRACKERS)))
        if find_spec(name) is None:
            fix = f"pip install 't2vbatch[{name}]'"
            raise UsageError(f"tracker {name}", "its package is not installed", f"the package {name}", fix)


def track(store: Store, name: str, tracker: Tracker) -> str:
    """Send an output to a tracker, and return where it is to be seen there.

    Raises:
        UsageError: the tracker is not to be had here, or no run has finished in this output.
        RunError: the tracker did not take it; the output is what it was.
    """
    check_trackers([name])
    try:
        with entry_of(store, tracker) as entry:
            return TRACKERS[name](entry)
    except T2VBatchError:
        raise
    except Exception as error:  # Whatever the package, its server and the network between them raise.
        raise RunError(f"{name} did not take {store.uri}: {type(error).__name__}: {error}") from error


__all__ = ["TRACKERS", "check_trackers", "track"]
