"""A metric that draws random numbers beside a model that does."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np

from t2vbatch.job import parse_job
from t2vbatch.media.video import Video
from t2vbatch.metrics.protocol import Column, Evidence, Weights
from t2vbatch.metrics.scorer import Scorer
from t2vbatch.models.determinism import seeded
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.finish import WorkerInfo
from t2vbatch.worker.protocol import Work
from t2vbatch.worker.worker import Worker


class _DrawingModel:
    """Draws every frame from numpy's global random numbers, with a pause before each."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        with seeded([request.seed for request in requests]):
            return [Video(np.stack([self._frame() for _ in range(8)]), 8.0) for _ in requests]

    def _frame(self) -> np.ndarray:
        time.sleep(0.02)
        return np.random.randint(0, 256, (16, 16, 3), dtype=np.uint8)


class _DrawingMetric:
    """A score that is a sum of numpy's global random numbers, drawn over a while."""

    columns: ClassVar[Mapping[str, Column]] = {"drawn": Column("higher")}
    weights: ClassVar[tuple[Weights, ...]] = ()

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        drawn = 0.0
        for _ in range(50):
            time.sleep(0.002)
            drawn += np.random.random()
        return {"drawn": drawn}


class _QuietMetric(_DrawingMetric):
    """Declares that it draws nothing."""

    DRAWS = False


class _ScriptedMetric(_QuietMetric):
    """Declares that it draws nothing, and uses a TorchScript network, which may."""

    weights: ClassVar[tuple[Weights, ...]] = (Weights("torchscript", "network.pt"),)


def _run(folder: Path, scorer: Scorer) -> dict[str, tuple[str | None, Mapping[str, float | None]]]:
    """Digest and scores of three samples; each is finished while the next one is generated."""
    job = parse_job(
        json.dumps({"manifest": "m", "output": str(folder), "models": {"m": {"path": "x"}}}), "job"
    )
    store, info = Store(str(folder)), WorkerInfo("m-1", "cpu", 0.0)
    worker = Worker(job, "m", store, _DrawingModel(), scorer, info, lambda sample: sample)
    threads = []
    for key in range(3):
        sample = Sample(str(key), f"row-{key}", "m", 0, key, f"videos/m/{key}.mp4", "a prompt", None)
        worker.generate(Work(key, (0,), (sample,), (1,)))
        threads.append(threading.Thread(target=worker.finish, args=(key,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    records = [store.committed(str(key)) for key in range(3)]
    return {record.sample_id: (record.frames_sha256, record.scores) for record in records if record}


def test_a_metric_that_draws_changes_no_pixels(tmp_path: Path) -> None:
    """Frames and scores are those of a run in which nothing happens at the same time."""
    alone = _run(tmp_path / "alone", Scorer({}, {}))
    beside = _run(tmp_path / "beside", Scorer({"drawn": _DrawingMetric()}, {}))
    again = _run(tmp_path / "again", Scorer({"drawn": _DrawingMetric()}, {}))
    assert len(alone) == 3
    assert {key: digest for key, (digest, _) in alone.items()} == {key: d for key, (d, _) in beside.items()}
    assert beside == again
    assert len({scores["drawn"] for _, scores in beside.values()}) == 3


def test_only_metrics_that_may_draw_wait_for_the_model() -> None:
    """Metrics that declare it, and use no TorchScript, are scored while the next video is generated."""
    assert Scorer({"drawn": _DrawingMetric()}, {}).draws
    assert not Scorer({"drawn": _QuietMetric()}, {}).draws
    assert Scorer({"drawn": _ScriptedMetric()}, {}).draws
    assert not Scorer({}, {}).draws


class _OneAtATime:
    """A metric that fails where two threads are in it."""

    columns: ClassVar[Mapping[str, Column]] = {"alone": Column("higher")}
    weights: ClassVar[tuple[Weights, ...]] = ()
    inside = 0

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        self.inside += 1
        time.sleep(0.01)
        alone = self.inside == 1
        self.inside -= 1
        return {"alone": float(alone)}


def test_a_metric_is_called_by_one_thread_at_a_time() -> None:
    """Neither a tokenizer nor a plug-in's metric needs to be safe for threads."""
    scorer = Scorer({"alone": _OneAtATime()}, {})
    video = Video(np.zeros((2, 16, 16, 3), np.uint8), 8.0)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda _: scorer.score(video).values["alone"], range(12)))
    assert scores == [1.0] * 12
