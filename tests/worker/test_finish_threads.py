"""The finishing threads of a worker: the same bytes for any number of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vbatch.job import parse_job
from t2vbatch.media.video import Video
from t2vbatch.metrics.scorer import load_metrics
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.finish import WorkerInfo
from t2vbatch.worker.protocol import Work
from t2vbatch.worker.worker import Worker

_SAMPLES = 12
_TIMES = ("started_at", "finished_at", "load_s", "wait_s", "generate_s", "convert_s", "encode_s", "verify_s")
_VARY = (*_TIMES, "commit_s", "score_s", "peak_memory_bytes")


class _Noise:
    """Frames of noise, of another size for each seed."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        return [Video(self._frames(request.seed), 8.0) for request in requests]

    def _frames(self, seed: int) -> Any:
        side = 32 + 16 * (seed % 3)
        return np.random.default_rng(seed).integers(0, 256, (8, side, side, 3), dtype=np.uint8)


def _made(folder: Path, threads: int) -> dict[str, Any]:
    """The digest of every file, and every record without its times, of units finished by so many threads."""
    scored = {"metrics": ["clip_score", "flicker"], "clip": {"path": "bundled:shapes"}}
    job = parse_job(
        json.dumps({"manifest": "m", "output": str(folder), "models": {"m": {"path": "x"}}, **scored}), "job"
    )
    store, info = Store(str(folder)), WorkerInfo("m-1", "cpu", 0.0)
    worker = Worker(job, "m", store, _Noise(), load_metrics(job), info, lambda sample: sample)
    with ThreadPoolExecutor(threads) as pool:
        finished = []
        for key in range(_SAMPLES):
            sample = Sample(str(key), f"row-{key}", "m", 0, key, f"videos/m/{key}.mp4", f"circle {key}", None)
            worker.generate(Work(key, (key,), (sample,), (1,)))
            finished.append(pool.submit(worker.finish, key))
        assert [outcome.status for done in finished for outcome in done.result()] == ["ok"] * _SAMPLES
    files = {str(file.relative_to(folder)): _digest(file) for file in (folder / "videos").rglob("*.mp4")}
    return files | {str(key): _record(store, str(key)) for key in range(_SAMPLES)}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _record(store: Store, sample_id: str) -> Mapping[str, Any]:
    record = store.committed(sample_id)
    assert record is not None
    return {name: value for name, value in vars(record).items() if name not in _VARY}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one thread makes."""
    return _made(tmp_path_factory.mktemp("one"), 1)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_any_number_of_threads_makes_the_same_bytes(
    alone: dict[str, Any], threads: int, tmp_path: Path
) -> None:
    """Files, scores and records are those of one thread; only the times differ."""
    assert _made(tmp_path, threads) == alone
