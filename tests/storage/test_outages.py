"""Hosts that do not answer: reads fail at once after a while, and succeed again when the host answers."""

import socket
from datetime import timedelta

import pytest

from t2vbatch.errors import RowError, StoreError
from t2vbatch.manifest import Media, media
from t2vbatch.storage import object_folder
from t2vbatch.storage.files import open_folder
from t2vbatch.storage.outages import Outages


class _Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _read(outages: Outages, uri: str, error: Exception | None = None) -> None:
    with outages.watched(uri):
        if error is not None:
            raise StoreError("cannot read") from error


def _fail(outages: Outages, uri: str) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        _read(outages, uri, TimeoutError("timed out"))


def test_a_long_outage_fails_reads_of_its_host_at_once() -> None:
    """After three minutes without an answer one read a minute is tried; other hosts are read as before."""
    clock = _Clock()
    outages = Outages(clock)
    for _ in range(3):
        _fail(outages, "s3://one/a")
        clock.now_s += 60.0
    _fail(outages, "s3://one/b")
    for _ in range(5):
        with pytest.raises(StoreError, match="not tried, because s3://one has not answered for 3 min"):
            _read(outages, "s3://one/c")
    _read(outages, "s3://two/a")
    clock.now_s += 60.0
    _read(outages, "s3://one/a")
    _read(outages, "s3://one/b")


def test_a_short_outage_fails_no_other_read() -> None:
    """A host that answers within three minutes is read as before."""
    clock = _Clock()
    outages = Outages(clock)
    for _ in range(10):
        _fail(outages, "https://host.example/a")
        _fail(outages, "https://host.example/b")
        clock.now_s += 120.0
        _read(outages, "https://host.example/a")
        clock.now_s += 120.0


def test_an_answer_with_an_error_is_an_answer() -> None:
    """A missing file, or one that may not be read, ends an outage."""
    clock = _Clock()
    outages = Outages(clock)
    for error in (FileNotFoundError("a"), StoreError("it is too large")):
        _fail(outages, "s3://one/a")
        clock.now_s += 200.0
        with pytest.raises(type(error)), outages.watched("s3://one/a"):
            raise error
        _fail(outages, "s3://one/a")
        _read(outages, "s3://one/a")


def test_an_image_in_a_bucket_without_an_answer(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a row names the bucket, and the image is read when the storage answers again."""
    open_folder(f"{s3}/outage").write("a.png", b"image")
    clock = _Clock()
    monkeypatch.setattr(media, "_OUTAGES", Outages(clock))
    image = Media("image", f"{s3}/outage/a.png")
    with socket.socket() as closed, monkeypatch.context() as away:
        closed.bind(("127.0.0.1", 0))  # No server listens here.
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        away.setattr(object_folder, "_RETRIES", {"max_retries": 1, "retry_timeout": timedelta(seconds=1)})
        for _ in range(2):
            with pytest.raises(RowError, match="cannot read"):
                image.read()
            clock.now_s += 200.0
        with pytest.raises(RowError, match="cannot read"):
            image.read()  # The one that is tried in each minute.
        with pytest.raises(RowError, match="not tried, because s3://bucket has not answered for 6 min"):
            image.read()
        assert image.version() is None
    clock.now_s += 60.0
    assert image.read() == b"image"
    assert image.sha256()
