"""Every attack of the corpus is refused by one message, reads nothing outside, and harms no other row."""

import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.job import parse_job
from t2vbatch.manifest import Options, check_manifest, read_manifest
from t2vbatch.models.plugins import plugin_facts
from t2vbatch.output.records import Record
from t2vbatch.plan import make_plan
from t2vbatch.storage.web import is_public
from tests.hostile.corpus import CORPUS, Attack

SECRET = b"the secret"


def _manifest(folder: Path, *rows: dict[str, Any]) -> str:
    """A manifest in a folder with a secret beside it, and links to the secret."""
    (folder / "secret").write_bytes(SECRET)
    inside = folder / "set"
    inside.mkdir()
    (inside / "link").symlink_to(folder / "secret")
    (inside / "folder-link").symlink_to(folder)
    (inside / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(inside / "m.jsonl")


def _cell(folder: Path, value: str) -> None:
    """The cell is a problem of its row, in every media column, and the good row stays."""
    good = {"id": "good", "prompt": "a"}
    for column in ("image", "last_image", "video", "control"):
        place = folder / column
        place.mkdir()
        source = _manifest(place, good, {"id": "bad", "prompt": "b", column: value})
        assert [problem.row for problem in check_manifest(source)] == [2]
        kept = read_manifest(source, options=Options(record_bad_rows=True))
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
    from t2vbatch.models.fake import FakeModel

    rows = [{"id": "good", "prompt": "a"}, {"id": "bad", "prompt": "b"} | value]
    source = _manifest(folder, *rows)
    text = "manifest: m\noutput: o\nsamples: 2\nmodels: {fake: {path: x}}\n"
    for policy in ("record", "stop"):
        job = parse_job(f"{text}on_bad_row: {policy}\n", "job")
        facts = {"fake": plugin_facts("models.fake", FakeModel, job.models["fake"])}
        options = Options(record_bad_rows=policy == "record")
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


_TRIED: Mapping[str, Callable[[Path, Any], None]] = {
    "path": _cell,
    "uri": _cell,
    "address": _address,
    "table": _table,
    "row": _row,
    "record": _record,
}


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: f"{attack.kind}-{str(attack.value)[:40]!a}")
def test_an_attack_is_refused(tmp_path: Path, attack: Attack) -> None:
    """One message, no traceback, nothing read outside the folder."""
    _TRIED[attack.kind](tmp_path, attack.value)
