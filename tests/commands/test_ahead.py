"""Whether a run starts Ray while it plans."""

import json
from pathlib import Path

import pytest

from t2vbatch.commands.ahead import will_start_ray
from t2vbatch.job import Job


def _job(folder: Path, **changes: object) -> Job:
    (folder / "rows.txt").write_text("a red ball\n")
    given = {
        "manifest": str(folder / "rows.txt"),
        "output": str(folder / "out"),
        "models": {"m": {"path": "x"}},
    }
    return Job.model_validate(given | changes)


def _status(folder: Path, complete: bool, ok: int, failed: int = 0) -> None:
    counts = {"planned": 4, "ok": ok, "degenerate": 0, "failed": failed, "failures": {}}
    (folder / "out").mkdir()
    (folder / "out" / "status.json").write_text(json.dumps({"complete": complete, "counts": counts}))


def test_a_first_run_starts_ray(tmp_path: Path) -> None:
    """An output without a run needs workers."""
    assert will_start_ray(_job(tmp_path))


@pytest.mark.parametrize(
    ("complete", "ok", "failed", "retry", "starts"),
    [
        (True, 4, 0, False, False),
        (True, 3, 0, False, True),
        (True, 3, 1, False, False),
        (True, 3, 1, True, True),
        (False, 4, 0, False, True),
    ],
)
def test_a_later_run_starts_ray_for_pending_samples(
    tmp_path: Path, complete: bool, ok: int, failed: int, retry: bool, starts: bool
) -> None:
    """A run starts Ray at once if the last run left samples for it, or died before it counted them."""
    _status(tmp_path, complete, ok, failed)
    assert will_start_ray(_job(tmp_path), retry) is starts


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "inline"},
        {"ray": {"address": "auto"}},
        {"manifest": "/none/rows.txt"},
        {"output": "unknown://bucket"},
        {"output": "/proc/no"},
        {"metrics": {"clip_scor": {}}},
    ],
)
def test_other_jobs_start_nothing(tmp_path: Path, changes: dict[str, object]) -> None:
    """No Ray is started for another engine, for a cluster, or for a job that the plan will refuse."""
    assert not will_start_ray(_job(tmp_path, **changes))
