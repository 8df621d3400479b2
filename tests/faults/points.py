"""Exact points of a run at which a fault happens once, in the first process that reaches the point."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vbatch.commands import run
from t2vbatch.models.fake import FakeModel
from t2vbatch.output.folding import Folding
from t2vbatch.output.lease import Lease
from t2vbatch.output.record_log import RecordLog
from t2vbatch.output.store import Store
from t2vbatch.storage.files import LocalFolder
from t2vbatch.worker.factory import WorkerFactory
from t2vbatch.worker.worker import Worker
from tests.faults import actions


@dataclass(frozen=True)
class Point:
    """An action before or after a call of a method; ``about``: only for calls whose first argument begins
    so."""

    owner: type
    method: str
    action: Callable[[], None] = actions.die
    after: bool = False
    about: str = ""


POINTS: Mapping[str, Point] = {
    "before generation": Point(Worker, "generate"),
    "during generation": Point(FakeModel, "_one"),
    "after generation": Point(Worker, "generate", after=True),
    "between draft and video": Point(Store, "_place"),
    "between video and record": Point(Store, "commit"),
    "after the record": Point(Store, "commit", after=True),
    "before compaction": Point(RecordLog, "rewrite"),
    "during compaction": Point(LocalFolder, "delete", about="records/"),
    "after compaction": Point(RecordLog, "rewrite", after=True),
    "before folding": Point(RecordLog, "_fold"),
    "during folding": Point(RecordLog, "_delete"),
    "after folding": Point(RecordLog, "_fold", after=True),
    "before a video is superseded": Point(LocalFolder, "move", about="videos/"),
    "after a video is superseded": Point(LocalFolder, "move", after=True, about="videos/"),
    "before a video comes back": Point(LocalFolder, "move", about="superseded/"),
    "after a video comes back": Point(LocalFolder, "move", after=True, about="superseded/"),
    "before a superseded video is deleted": Point(LocalFolder, "delete", about="superseded/"),
    "after a superseded video is deleted": Point(LocalFolder, "delete", after=True, about="superseded/"),
    "before the records are pruned": Point(RecordLog, "rewrite"),
    "while the records are pruned": Point(LocalFolder, "delete", about="records/"),
    "after the records are pruned": Point(RecordLog, "rewrite", after=True),
    "before the lease is taken": Point(LocalFolder, "create", actions.suspend, about="lease.json"),
    "after the lease is taken": Point(LocalFolder, "create", actions.suspend, True, "lease.json"),
    "before the lease is replaced": Point(LocalFolder, "replace", actions.suspend, about="lease.json"),
    "before the lease is released": Point(Lease, "__exit__", actions.suspend),
    "storage fails": Point(LocalFolder, "create", actions.fail_storage, about="records/"),
    "storage fails after it has written": Point(
        LocalFolder, "create", actions.fail_storage, True, "records/"
    ),
    "storage fails for a video": Point(LocalFolder, "publish", actions.fail_storage, about="videos/"),
    "model fails to load": Point(FakeModel, "__init__", actions.fail_to_load),
    "worker faulty": Point(FakeModel, "_one", actions.make_faulty),
    "worker suspended": Point(FakeModel, "_one", actions.suspend),
    "scratch full": Point(FakeModel, "_one", actions.fill_scratch),
    "node lost": Point(FakeModel, "_one", actions.kill_the_node),
    "clock goes back": Point(Store, "commit", actions.set_clock(days=-400), after=True),
    "clock goes ahead": Point(Store, "commit", actions.set_clock(days=400)),
    "driver's clock goes back": Point(Store, "write_json", actions.set_clock(days=-400)),
}


def arm_run(name: str, nth: int, marker: Path) -> None:
    """Run the point's action at its nth pass, in this process or in one of the workers that it starts.

    Args:
        marker: a file that is created with the fault, so that it happens once in all processes.
    """
    arm(name, nth, marker)
    # A run of a few samples is over before its records would be folded.
    vars(run)["Folding"] = functools.partial(Folding, look_every_s=0.02, fold_at=2)
    vars(run)["WorkerFactory"] = functools.partial(ArmedFactory, point=name, nth=nth, marker=str(marker))


def arm(name: str, nth: int, marker: Path) -> None:
    """Run the point's action in this process."""
    point, original = POINTS[name], getattr(POINTS[name].owner, POINTS[name].method)
    passes = 0

    def inject(*arguments: Any) -> None:
        nonlocal passes
        if point.about and not str(arguments[1]).startswith(point.about):
            return
        passes += 1
        if passes == nth and not marker.exists():
            marker.touch()
            point.action()

    @functools.wraps(original)
    def injected(*arguments: Any, **named: Any) -> Any:
        if not point.after:
            inject(*arguments)
        result = original(*arguments, **named)
        if point.after:
            inject(*arguments)
        return result

    setattr(point.owner, point.method, injected)
    if point.method == "delete":
        # A deletion of many deletes them in any order. One by one, each is a pass of the point.
        LocalFolder.delete_all = _delete_one_by_one  # type: ignore[assignment, method-assign]


def _delete_one_by_one(folder: LocalFolder, names: Sequence[str]) -> None:
    for name in names:
        folder.delete(name)


@dataclass(frozen=True)
class ArmedFactory(WorkerFactory):
    """Runs the point's action in the worker's process too."""

    point: str = ""
    nth: int = 1
    marker: str = ""

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> Worker:
        if not hasattr(getattr(POINTS[self.point].owner, POINTS[self.point].method), "__wrapped__"):
            arm(self.point, self.nth, Path(self.marker))
        return super().__call__(name, device, memory)
