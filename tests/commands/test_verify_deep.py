"""Samples that are generated again have the same bytes, or the difference is reported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.verify_deep import verify_deep
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import load_job
from t2vbatch.media.video import Video
from t2vbatch.models.fake import FakeModel
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import Store, open_store


@pytest.fixture
def output(tmp_path: Path) -> Store:
    """A finished run of four samples, of which one failed."""
    (tmp_path / "rows.txt").write_text("one\ntwo\nthree\nfour [fault:raise]\n")
    job: Mapping[str, Any] = {
        "manifest": "rows.txt",
        "output": "out",
        "metrics": [],
        "engine": "inline",
        "models": {"fake": {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(dict(job)))
    return open_store(run_job(prepare(load_job(tmp_path / "job.yaml")), engine_for).output)


def _files(store: Store) -> dict[str, bytes]:
    return {name: store.folder.read(name) for name in store.folder.names("")}


def test_the_same_comes_out_again(output: Store) -> None:
    """verify_deep generates at most as many samples as have a video, and changes nothing in the output."""
    before = _files(output)
    assert list(verify_deep(output, 2, engine_for)) == [None, None]
    assert list(verify_deep(output, 99, engine_for)) == [None, None, None]
    assert _files(output) == before


def test_a_model_that_gives_other_bytes_is_found(output: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finding about different bytes names the video."""
    generate = FakeModel.generate

    def drifting(model: FakeModel, requests: Sequence[Request]) -> list[Video]:
        videos = generate(model, requests)
        return [Video(np.ascontiguousarray(video.frames[:, ::-1]), video.fps) for video in videos]

    monkeypatch.setattr(FakeModel, "generate", drifting)
    findings = list(verify_deep(output, 3, engine_for))
    assert all(finding and "videos/fake/" in finding.place for finding in findings)
    assert len(findings) == 3


def test_there_must_have_been_a_run(tmp_path: Path) -> None:
    """A folder without a run is refused."""
    with pytest.raises(UsageError, match="no run has begun"):
        list(verify_deep(open_store(str(tmp_path)), 1, engine_for))
