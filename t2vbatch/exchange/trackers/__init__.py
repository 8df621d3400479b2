"""A finished run in an experiment tracker: its scores, its summary, and a few of its videos.

The data is sent after the run, from the files of the output, so that it can be sent again at any time and an
error fails no run. Each tracker is an optional dependency: ``pip install 't2vbatch[wandb]'``.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec

from t2vbatch.errors import RunError, T2VBatchError, UsageError, nearest
from t2vbatch.exchange.trackers import to_mlflow, to_wandb
from t2vbatch.exchange.trackers.entry import Entry, entry_of
from t2vbatch.job import Tracker
from t2vbatch.output.store import Store

TRACKERS: dict[str, Callable[[Entry], str]] = {"wandb": to_wandb.send, "mlflow": to_mlflow.send}
"""Package: the function that sends an entry and returns its address."""


def check_trackers(names: Iterable[str]) -> None:
    """Raise UsageError for the first tracker that does not exist or is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"tracker {name}", "an unknown tracker", nearest(name, list(TRACKERS)))
        if find_spec(name) is None:
            fix = f"pip install 't2vbatch[{name}]'"
            raise UsageError(f"tracker {name}", "a package that is not installed", f"the package {name}", fix)


def track(store: Store, name: str, tracker: Tracker) -> str:
    """Send an output to a tracker; returns its address there.

    Raises:
        UsageError: the tracker is not installed, or no run has finished in this output.
        RunError: sending failed; the output is unchanged.
    """
    check_trackers([name])
    try:
        with entry_of(store, tracker) as entry:
            return TRACKERS[name](entry)
    except T2VBatchError:
        raise
    except Exception as error:  # The package, its server and the network raise many kinds of errors.
        raise RunError(f"sending {store.uri} to {name} failed: {type(error).__name__}: {error}") from error


__all__ = ["TRACKERS", "check_trackers", "track"]
