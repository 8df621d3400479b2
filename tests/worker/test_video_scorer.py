"""Scores that wait in the output until all videos are scored."""

from pathlib import Path

import pytest

from t2vbatch.metrics.scorer import Scores
from t2vbatch.output.store import Store
from t2vbatch.storage.files import LocalFolder
from t2vbatch.worker.video_scorer import ScoreCache


def _of(value: float) -> Scores:
    return Scores({"motion": value}, {}, None, None, {"motion": "digest"})


def test_stored_scores_are_found_by_one_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which samples have stored scores is known without reading any of a million files."""
    cache = ScoreCache(Store(str(tmp_path)), "identity")
    for sample_id in ("a1", "b2"):
        cache.keep(sample_id, _of(0.5), 1.0)
    monkeypatch.delattr(LocalFolder, "read")
    assert cache.sample_ids() == {"a1", "b2"}
    assert [cache.has(sample_id) for sample_id in ("a1", "c3")] == [True, False]


def test_scores_of_another_scorer_are_ignored(tmp_path: Path) -> None:
    """Scores that an interrupted call with other options stored count for that scorer alone."""
    store = Store(str(tmp_path))
    cache, other = ScoreCache(store, "identity"), ScoreCache(store, "other")
    other.keep("a1", _of(0.1), 1.0)
    cache.keep("a1", _of(0.5), 2.0)
    other.keep("b2", _of(0.2), 1.0)
    assert cache.sample_ids() == {"a1"}
    assert not cache.has("b2")
    (found,) = cache.read(["a1"])
    assert (found["values"], found["score_s"]) == ({"motion": 0.5}, 2.0)
    cache.clear()
    assert other.sample_ids() == set()
