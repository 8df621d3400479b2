"""A decoder that does not return costs its own row, in the driver as in a worker."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import BrokenInputError, EncodeError
from t2vbatch.job import Limits
from t2vbatch.manifest import check_manifest
from t2vbatch.media import deadline, decoding, images
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.images import decode_animation, decode_image, image_fault
from t2vbatch.media.reading import Reading
from tests.pictures import manifest, picture

SHORT = Limits(media_decode_s=0.2)
LONG = Limits(media_decode_s=5.0)
"""A busy machine decodes a small image within it, also where that imports the decoder."""


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """Bytes at whose decoding a library hangs until the test ends."""
    end, marked = threading.Event(), picture(color=7)
    opened, shown = images._opened, decoding._opened

    def open_image(data: bytes, limits: Limits | None) -> Any:
        if data == marked:
            end.wait()
        return opened(data, limits)

    def open_video(file: Path | bytes, *others: Any) -> Any:
        if file == marked[1:]:
            end.wait()
        return shown(file, *others)

    monkeypatch.setattr(images, "_opened", open_image)
    monkeypatch.setattr(decoding, "_opened", open_video)
    monkeypatch.setattr(deadline, "GRACE_S", 0.1)
    yield marked
    end.set()


def test_each_decoder_has_a_deadline(hanging: bytes) -> None:
    """The error names the limit; the thread of the decoder is left behind."""
    message = r"decoding takes too long; expected at most 0\.2 s; limits\.media_decode_s"
    assert "limits.media_decode_s" in str(image_fault(hanging, SHORT))
    for decode in (decode_image, decode_animation):
        with pytest.raises(BrokenInputError, match=message):
            decode(hanging, Reading(SHORT))
    with pytest.raises(EncodeError, match=message):
        decode_file(hanging[1:], Reading(SHORT))


def test_the_other_rows_of_a_manifest_are_checked(tmp_path: Path, hanging: bytes) -> None:
    """An image that hangs the decoder is a problem of its row alone."""
    (tmp_path / "a.png").write_bytes(hanging)
    (tmp_path / "b.png").write_bytes(picture(color=1))
    source = manifest(tmp_path, {"image": "a.png"}, {"image": "b.png"})
    assert [problem.row for problem in check_manifest(source, limits=LONG)] == [1]
