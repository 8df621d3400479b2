"""Every attack of the corpus is refused by one message, reads nothing outside, and harms no other row."""

import contextlib
import io
import ipaddress
import json
import os
import re
import resource
import socket
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.errors import BrokenInputError, EncodeError, ManifestError, StoreError, UsageError
from t2vbatch.exchange.imports import import_manifest
from t2vbatch.job import VideoFile, parse_job
from t2vbatch.job.secrets import redacted
from t2vbatch.manifest import ManifestOptions, check_manifest, read_manifest
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.images import decode_animation, decode_image, image_fault
from t2vbatch.media.reading import Reading
from t2vbatch.media.video import Video, encode
from t2vbatch.models.fake import FakeModel
from t2vbatch.models.plugins import plugin_facts
from t2vbatch.output.records import RECORDS, Record
from t2vbatch.output.store import open_store
from t2vbatch.plan import make_plan
from t2vbatch.storage.web import fetch, is_public
from tests.hostile import media
from tests.hostile.corpus import CORPUS, Attack

SECRET = b"the secret"


def _manifest(folder: Path, *rows: dict[str, Any]) -> str:
    """A manifest in a folder with a secret beside it, and links to the secret."""
    (folder / "secret").write_bytes(SECRET)
    inside = folder / "set"
    inside.mkdir()
    (inside / "link").symlink_to(folder / "secret")
    (inside / "folder-link").symlink_to(folder)
    (inside / "loop").symlink_to(inside / "loop")
    (inside / "empty.png").touch()
    Image.new("RGB", (8, 8)).save(inside / "good.png")
    os.mkfifo(inside / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(inside):
        server.bind("socket.png")  # Its path would be too long for a socket.
    (inside / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(inside / "m.jsonl")


def _cell(folder: Path, value: str | list[Any]) -> None:
    """The cell is a problem of its row, in every media column, and the good row stays."""
    good = {"id": "good", "prompt": "a"}
    for column in ("image", "last_image", "video", "control"):
        place = folder / column
        place.mkdir()
        source = _manifest(place, good, {"id": "bad", "prompt": "b", column: value})
        assert [problem.row for problem in check_manifest(source)] == [2]
        kept = read_manifest(source, options=ManifestOptions(record_bad_rows=True))
        assert set(kept.bad_rows) == {1}
        assert kept.row(0).prompt == "a"


def _address(folder: Path, value: str) -> None:
    assert not is_public(ipaddress.ip_address(value))


def _table(folder: Path, value: tuple[str, bytes]) -> None:
    """The file is rows or a ManifestError; nothing else is raised."""
    name, content = value
    (folder / name).write_bytes(content)
    if not check_manifest(str(folder / name)):
        assert list(read_manifest(str(folder / name)))


def _row(folder: Path, value: dict[str, Any]) -> None:
    """The row is refused by name, or recorded while the good row is planned."""
    rows = [{"id": "good", "prompt": "a"}, {"id": "bad", "prompt": "b"} | value]
    source = _manifest(folder, *rows)
    text = "manifest: m\noutput: o\nsamples: 2\nmodels: {fake: {path: x}}\n"
    for policy in ("record", "stop"):
        job = parse_job(f"{text}on_bad_row: {policy}\n", "job")
        facts = {"fake": plugin_facts("models.fake", FakeModel, job.models["fake"])}
        options = ManifestOptions(record_bad_rows=policy == "record")
        if policy == "stop":
            with pytest.raises(ManifestError):
                make_plan(read_manifest(source, options=options), job, facts)
        else:
            plan = make_plan(read_manifest(source, options=options), job, facts)
            assert (len(plan), len(plan.bad)) == (4, 2)


def _record(folder: Path, value: dict[str, Any]) -> None:
    """The record is damaged, and says so."""
    good = {"sample_id": "s", "row_id": "r", "model": "m", "sample_index": 0, "seed": 1, "status": "ok"}
    good |= {"attempts": 1, "call": {}, "video": "videos/m/r-0.mp4"}
    Record.from_json(json.dumps(good).encode())
    with pytest.raises(ValueError, match="record"):
        Record.from_json(json.dumps(good | value).encode())


def _url(folder: Path, value: str) -> None:
    """The URL is a file error with a reason, and no private address is connected to."""
    with pytest.raises((StoreError, FileNotFoundError)) as caught:
        fetch(value, permits=is_public)
    assert "secret" not in redacted(str(caught.value))


def _id(folder: Path, value: str) -> None:
    """The id stays in the row; the file name is safe everywhere, and differs from those of all other rows."""
    source = _manifest(folder, {"id": "good", "prompt": "a"}, {"id": value, "prompt": "b"})
    job = parse_job("manifest: m\noutput: o\nmodels: {fake: {path: x}}\n", "job")
    facts = {"fake": plugin_facts("models.fake", FakeModel, job.models["fake"])}
    plan = make_plan(read_manifest(source), job, facts)
    assert plan.planned(1).row_id == value
    names = [plan.planned(position).video for position in (0, 1)]
    assert len({name.casefold() for name in names}) == 2
    folders, _, name = names[1].rpartition("/")
    assert folders == "videos/fake"
    assert re.fullmatch(r"\w[\w~.-]*", name, re.ASCII)
    assert len(name) < 200


def _job(folder: Path, value: str) -> None:
    """The text is not a job, and one message of bounded length says why."""
    with pytest.raises(UsageError) as caught:
        parse_job(value, "job.yaml")
    assert len(str(caught.value)) < 2000


def _image(folder: Path, value: Callable[[], bytes]) -> None:
    """The image is refused, as a still and as an animation, without the memory that it claims."""
    data, before = value(), _peak_bytes()
    for decode in (decode_image, decode_animation):
        with pytest.raises(BrokenInputError):
            decode(data, Reading())
    assert _peak_bytes() - before < 1 << 30


def _video(folder: Path, value: Callable[[], bytes]) -> None:
    """The video is refused, from memory and from a file, without the memory that it claims."""
    data, before = value(), _peak_bytes()
    (folder / "x.mp4").write_bytes(data)
    for file in (data, folder / "x.mp4"):
        with pytest.raises(EncodeError):
            decode_file(file, Reading())
    assert _peak_bytes() - before < 1 << 30


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _title(folder: Path, value: str) -> None:
    """The text in a good video changes nothing."""
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    encode(Video(frames, 8.0), folder / "plain.mp4", VideoFile())
    with av.open(str(folder / "plain.mp4")) as source, av.open(str(folder / "x.mkv"), "w") as target:
        target.metadata["title"] = target.metadata["comment"] = value
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.metadata["title"] = value
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    expected, found = decode_file(folder / "plain.mp4", Reading()), decode_file(folder / "x.mkv", Reading())
    assert np.array_equal(expected.frames, found.frames)
    assert found.fps == expected.fps


def _rows(folder: Path, value: dict[str, Any]) -> None:
    """A Parquet file of records with such a row is damaged, and every reader says so."""
    good = {"sample_id": "s", "row_id": "r", "model": "m", "sample_index": 0, "seed": 1, "status": "ok"}
    good |= {"attempts": 1, "video": "videos/m/r-0.mp4"}
    good |= dict.fromkeys(("call", "versions", "score_errors", "scores"), "{}")
    (folder / "records").mkdir()
    file = folder / "records" / "base-000000000001-1"
    pq.write_table(pa.Table.from_pylist([good], RECORDS), file)
    assert open_store(str(folder)).records().num_rows == 1
    pq.write_table(pa.Table.from_pylist([good | value], RECORDS), file)
    with pytest.raises(StoreError, match="is damaged"):
        open_store(str(folder)).records()


def _member(folder: Path, value: dict[str, Any]) -> None:
    """The good sample of the shard is a row; the other one writes and reads nothing outside."""
    inside = folder / "set"
    inside.mkdir()
    (folder / "secret").write_bytes(SECRET)
    with tarfile.open(inside / "shard.tar", "w") as tar:
        for name, data in (("good.txt", b"a cat"), ("good.png", b"pixels")):
            _add(tar, {"name": name}, data)
        _add(tar, value, b"others")
    import_manifest(inside / "shard.tar", "webdataset", inside / "m.jsonl")
    rows = [json.loads(line) for line in (inside / "m.jsonl").read_text("utf-8").splitlines()]
    assert (rows[0]["id"], rows[0]["prompt"]) == ("good", "a cat")
    assert (inside / rows[0]["image"]).read_bytes() == b"pixels"
    assert {path.name for path in folder.iterdir()} == {"set", "secret"}
    assert {path.name for path in inside.iterdir()} <= {"shard.tar", "m.jsonl", "m"}
    files = [path for path in inside.rglob("*") if path.is_file()]
    assert not any(path.is_symlink() or SECRET in path.read_bytes() for path in files)
    for row in rows:
        assert "image" not in row or (inside / row["image"]).resolve().is_relative_to(inside)


def _add(tar: tarfile.TarFile, fields: dict[str, Any], data: bytes) -> None:
    member = tarfile.TarInfo()
    member.size = len(data)
    for name, field in fields.items():
        setattr(member, name, field)
    tar.addfile(member, io.BytesIO(data))


def _secret(folder: Path, value: str) -> None:
    """The credentials of a URL are in no file of the output but the plan, which later runs read."""
    _manifest(folder, {"id": "good", "prompt": "a"}, {"id": "bad", "prompt": "b", "image": value})
    model = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job: dict[str, Any] = {"manifest": "set/m.jsonl", "output": "out", "metrics": [], "engine": "inline"}
    job |= {"on_bad_row": "record", "models": {"fake": model}}
    (folder / "job.yaml").write_text(json.dumps(job))
    result = CliRunner().invoke(app, ["run", str(folder / "job.yaml"), "--json"])
    assert (result.exit_code, "s3cr3t" in result.output) == (3, False), result.output
    files = [path for path in (folder / "out").rglob("*") if path.is_file() and path.name != "plan.parquet"]
    assert [path for path in files if b"s3cr3t" in path.read_bytes()] == []


_TRIED: Mapping[str, Callable[[Path, Any], None]] = {
    "path": _cell,
    "uri": _cell,
    "list": _cell,
    "address": _address,
    "table": _table,
    "row": _row,
    "record": _record,
    "url": _url,
    "id": _id,
    "job": _job,
    "image": _image,
    "video": _video,
    "title": _title,
    "rows": _rows,
    "secret": _secret,
    "member": _member,
}


def _name(attack: Attack) -> str:
    value = getattr(attack.value, "__name__", attack.value)
    return f"{attack.kind}-{str(value)[:40]!a}"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("attack", CORPUS, ids=_name)
def test_an_attack_is_refused(tmp_path: Path, attack: Attack) -> None:
    """Each attack ends in one message without a traceback, and no file outside the folder is read."""
    _TRIED[attack.kind](tmp_path, attack.value)


@pytest.mark.parametrize("data", list(media.other_formats()), ids=lambda data: str(data[:12]))
def test_other_image_formats_are_refused(data: bytes) -> None:
    """PostScript, PSD, ICO, JPEG 2000, PPM and SVG are not opened."""
    assert "not an image in a known format" in str(image_fault(data))


def test_compressed_text_of_a_png_is_not_kept() -> None:
    """A PNG with 200 MB of text is a small image, or refused."""
    before = _peak_bytes()
    image_fault(media.png_text())
    with contextlib.suppress(BrokenInputError):
        decode_image(media.png_text(), Reading())
    assert _peak_bytes() - before < 1 << 30
