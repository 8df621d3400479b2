"""Media that did not change since the last run: neither decoded nor hashed again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import ManifestError
from t2vbatch.job import load_job


def _prepared(folder: Path, **changes: Any) -> Prepared:
    model = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "engine": "inline"}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"models": {"m": model}} | changes))
    return prepare(load_job(folder / "job.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run of a row with an image, and of a row whose video is a list of images."""
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (64, 48), "red").save(tmp_path / name)
    rows = [{"prompt": "x", "image": "a.png"}, {"prompt": "y", "video": ["b.png", "c.png"]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run_job(_prepared(tmp_path), engine_for)
    return tmp_path


def _spoil(file: Path, moved: bool = False) -> None:
    """Replace the image by as many other bytes, with the old time or a new one."""
    before = file.stat()
    file.write_bytes(b"x" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + moved))


@pytest.mark.parametrize("name", ["a.png", "b.png", "c.png"])
def test_an_unchanged_image_is_not_read_again(folder: Path, name: str) -> None:
    """An image with the same size and time is not read again."""
    before = _prepared(folder).plan.table["sample_id"]
    _spoil(folder / name)
    assert _prepared(folder).plan.table["sample_id"].equals(before)


@pytest.mark.parametrize("name", ["a.png", "b.png", "c.png"])
def test_an_image_with_another_time_is_checked_again(folder: Path, name: str) -> None:
    """An image with the same size and another time is checked again."""
    _spoil(folder / name, moved=True)
    with pytest.raises(ManifestError, match="broken image"):
        _prepared(folder)


def test_images_are_checked_again_with_other_limits(folder: Path) -> None:
    """After a limit was lowered, images are checked again."""
    with pytest.raises(ManifestError):
        _prepared(folder, limits={"media_pixels": 100})


def test_an_image_that_no_plan_named_is_checked(folder: Path) -> None:
    """A broken image of a new row is a problem of the manifest."""
    (folder / "new.png").write_bytes(b"x")
    with (folder / "rows.jsonl").open("a") as file:
        file.write("\n" + json.dumps({"prompt": "z", "image": "new.png"}))
    with pytest.raises(ManifestError, match="broken image"):
        _prepared(folder)
