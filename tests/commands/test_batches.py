"""``batch: auto``: measured once, written into the output, and used from then on."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import yaml

from t2vbatch.commands.kept_batches import with_kept_batches
from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import MemoryExceededError
from t2vbatch.job import Job, Model, load_job
from t2vbatch.media.video import Video
from t2vbatch.models.fake import draw
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker import probe
from t2vbatch.worker.probe import BatchTimes, fastest
from t2vbatch.worker.protocol import Work


class OneCost:
    """A call takes the same time for any number of samples; the file ``path`` lists the calls.

    ``limit``: a call with this many samples is out of memory, or ends the process.
    """

    CALL: ClassVar[Mapping[str, Any]] = {"limit": 99, "dies": False, "num_inference_steps": 50}
    BATCHABLE: ClassVar[bool] = True
    FPS: ClassVar[float] = 8.0

    def __init__(self, spec: Model, device: str = "cpu") -> None:
        self._calls = Path(spec.path)

    @classmethod
    def identity(cls, spec: Model) -> Mapping[str, Any]:
        """The path decides no pixel."""
        return {}

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        call = requests[0].call
        with self._calls.open("a") as file:
            file.write(f"{len(requests)} {call['num_inference_steps']}\n")
        if len(requests) >= call["limit"]:
            if call["dies"]:
                os._exit(9)
            raise MemoryExceededError("out of memory, as requested")
        time.sleep(0.5)  # Two calls are enough, and long beside what a busy machine adds to them.
        return [Video(draw(request, 8, 64, 64), self.FPS) for request in requests]


class OneByOne(OneCost):
    """Its call makes one video."""

    BATCHABLE = False


def _job(folder: Path, *sets: str, kind: str = "OneCost", **call: Any) -> Job:
    (folder / "rows.txt").write_text("\n".join(f"prompt {index}" for index in range(5)))
    model = {
        "path": str(folder / "calls"),
        "pipeline": f"tests.commands.test_batches:{kind}",
        "batch": "auto",
        "call": call,
    }
    job = {"manifest": "rows.txt", "output": "out", "metrics": [], "engine": "inline", "models": {"m": model}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return load_job(folder / "job.yaml", sets)


def _run(prepared: Prepared) -> Result:
    return run_job(prepared, engine_for)


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def _number(folder: Path) -> Any:
    return yaml.safe_load((folder / "out/job.yaml").read_text())["models"]["m"]["batch"]


def test_the_number_is_measured_once_and_kept(tmp_path: Path) -> None:
    """The first run measures with few steps; a later run uses the number of the output's job.yaml."""
    assert _run(prepare(_job(tmp_path))).made == 5
    assert _number(tmp_path) == 16
    sizes = [16, 8, 4, 2, 1]
    assert _calls(tmp_path) == [f"{size} 4" for size in reversed(sizes) for _ in range(2)] + ["16 50"]
    assert not (tmp_path / "out/batches").exists()
    again = prepare(_job(tmp_path, "samples=2"))
    assert again.job.models["m"].batch == 16
    assert _run(again).made == 5
    assert _calls(tmp_path)[11:] == ["16 50"]


def test_short_calls_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two short calls that other programs disturb do not end the measurement: a later one is faster."""
    now_s, disturbed = 0.0, iter([0.3, 0.3])

    class Worker:
        def try_call(self, samples: Sequence[Sample]) -> None:
            nonlocal now_s
            usual_s = 0.1 if len(samples) <= 2 else 0.05 * len(samples)
            now_s += next(disturbed, usual_s) if len(samples) == 2 else usual_s

    monkeypatch.setattr(probe, "time", SimpleNamespace(perf_counter=lambda: now_s))
    store = Store(str(tmp_path / "out"))
    prober = probe.Prober(cast("Any", Worker()), {}, store, "key")
    prober.generate(Work(1, (0,), (prepare(_job(tmp_path)).plan.planned(0),), (1,)))
    assert fastest(BatchTimes.read(store, "key")) == 2


def test_a_measurement_is_no_progress_of_the_run(tmp_path: Path) -> None:
    """Until the run begins, what is shown is that batch sizes are measured, and no count of samples."""
    shown: list[str | None] = []
    prepared = prepare(_job(tmp_path, limit=2))
    run_job(prepared, engine_for, lambda now: shown.append(now.waits_for))
    assert "measuring batch sizes" in shown
    assert None not in shown[: shown.index("measuring batch sizes")]


def test_the_identity_is_that_of_the_number(tmp_path: Path) -> None:
    """A job with auto and a job with the measured number plan the same samples."""
    auto = _run(prepare(_job(tmp_path, limit=4)))
    assert auto.made == 5
    assert _number(tmp_path) == 2
    same = prepare(_job(tmp_path, "models.m.batch=2", f"output={tmp_path}/other", limit=4))
    assert _run(same).made == 5
    stored = Store(str(tmp_path / "out")).read_plan()
    assert same.plan.table["sample_id"].equals(stored.table["sample_id"])


def test_a_pipeline_that_makes_one_video_has_the_number_one(tmp_path: Path) -> None:
    """Nothing is measured where a call makes one video."""
    prepared = prepare(_job(tmp_path, kind="OneByOne"))
    assert prepared.job.models["m"].batch == 1
    _run(prepared)
    assert _calls(tmp_path) == ["1 50"] * 5


def test_a_process_that_dies_keeps_the_smaller_numbers(tmp_path: Path) -> None:
    """A worker that dies with 4 samples is started again, and the run uses 2; Ray survives it."""
    job = _job(tmp_path, "engine=ray", "workers.count=2", limit=4, dies=True)
    assert _run(prepare(job)).made == 5
    assert _number(tmp_path) == 2


def test_a_failing_measurement_gives_one(tmp_path: Path) -> None:
    """If even one sample fails, the run uses 1 and records the failures."""
    result = _run(prepare(_job(tmp_path, limit=1)))
    assert result.summary.counts.failed == 5
    assert _number(tmp_path) == 1


def test_edits_that_do_not_change_a_call_keep_the_number(tmp_path: Path) -> None:
    """A new frame rate of the file keeps the number; another dtype is measured again."""
    before = _job(tmp_path, "models.m.batch=8")
    assert with_kept_batches(_job(tmp_path, "models.m.fps=12"), before).models["m"].batch == 8
    assert with_kept_batches(_job(tmp_path, "models.m.dtype=float16"), before).models["m"].batch == "auto"
    assert with_kept_batches(_job(tmp_path), None).models["m"].batch == "auto"


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [({}, 1), ({1: 1.0}, 1), ({1: 1.0, 2: 0.97}, 1), ({1: 1.0, 2: 0.6, 4: 0.59}, 2), ({1: 1.0, 2: 0.5}, 2)],
)
def test_a_larger_number_must_gain(seconds: dict[int, float], chosen: int) -> None:
    """A gain of less than 5 percent is within the noise."""
    assert fastest(BatchTimes(seconds)) == chosen
