"""Certificates of outputs: what they hold, and what a check finds."""

import json
import shutil
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.certify import _digest, certify, check
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.score import score_output
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.output.store import open_store
from tests.commands.test_score import made


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The output of a small run with one score."""
    return Path(made(tmp_path, {"flicker": {}}))


def written(output: Path, path: Path, **options: Any) -> Path:
    """A certificate of the output as a file."""
    path.write_text(json.dumps(certify(open_store(str(output)), options.get("deep", 0), 0, engine_for)))
    return path


def problems(certificate: Path, output: Path) -> list[str]:
    """The problems of a check."""
    return [str(one) for one in check(certificate, open_store(str(output))) if one is not None]


def test_a_certificate_describes_the_dataset(output: Path, tmp_path: Path) -> None:
    """It has the job, counts, versions, mean scores, and what verify and made-again samples found."""
    content = json.loads(written(output, tmp_path / "c.json", deep=1).read_text())
    assert "FakeModel" in content["job_yaml"]
    assert content["samples"] == {"ok": 2}
    assert content["verify"] == {"right": 2, "problems": []}
    assert content["made_again"] == {"right": 1, "problems": []}
    assert content["scores"]["fake"]["flicker"]["n"] == 2
    assert content["versions"][0]


def test_a_copy_elsewhere_is_confirmed(output: Path, tmp_path: Path) -> None:
    """The same output in another folder has no problem, and two certificates have the same digests."""
    certificate = written(output, tmp_path / "c.json")
    moved = Path(shutil.copytree(output, tmp_path / "elsewhere"))
    assert problems(certificate, moved) == []
    (tmp_path / "again").mkdir()
    again = Path(made(tmp_path / "again", {"flicker": {}}))
    first, second = (certify(open_store(str(one)), 0, 0, engine_for) for one in (output, again))
    assert first["dataset"] == second["dataset"]
    assert first["files"] == second["files"]


def test_changed_videos_and_scores_are_found(output: Path, tmp_path: Path) -> None:
    """A changed video is named, and renewed scores of another metric change the digest of scores."""
    certificate = written(output, tmp_path / "c.json")
    score_output(str(output), {"motion": {}}, engine_for)
    (found,) = problems(certificate, output)
    assert "scores_digest" in found
    (video,) = (output / "videos/fake").glob("red-*")
    video.write_bytes(b"no video")
    assert any(video.name in problem for problem in problems(certificate, output))


def test_an_edited_table_is_found_and_an_edited_summary_is_not_certified(
    output: Path, tmp_path: Path
) -> None:
    """Scores of results.parquet that differ from the records are a problem; summary.json is not certified."""
    certificate = written(output, tmp_path / "c.json")
    summary = json.loads((output / "summary.json").read_text())
    summary["models"]["fake"]["scores"]["flicker"]["mean"] = 99.0
    (output / "summary.json").write_text(json.dumps(summary))
    again = json.loads(written(output, tmp_path / "again.json").read_text())
    assert again["scores"] == json.loads(certificate.read_text())["scores"]
    table = pq.read_table(output / "results.parquet")
    rows = [row | {"flicker": 0.125} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), output / "results.parquet")
    (found,) = problems(certificate, output)
    assert "scores 'flicker' that differ from the records" in found


def test_an_unfinished_output_is_certified_with_its_pending_samples(output: Path) -> None:
    """Samples without a record are counted as pending."""
    plan = pq.read_table(output / "plan.parquet")
    rows = [*plan.to_pylist(), plan.to_pylist()[0] | {"sample_id": "0" * 64}]
    pq.write_table(pa.Table.from_pylist(rows, plan.schema), output / "plan.parquet")
    content = certify(open_store(str(output)), 0, 0, engine_for)
    assert content["samples"] == {"ok": 2, "pending": 1}


def test_outdated_scores_are_no_problem(output: Path, tmp_path: Path) -> None:
    """A table without scores that another scorer computed equals its records."""
    store = open_store(str(output))
    store.write_json("scorers.json", dict.fromkeys(store.read_scorers(), "0" * 64))
    rebuild(store, store.read_plan(), store.read_job())
    assert pq.read_table(output / "results.parquet")["flicker"].null_count == 2
    assert problems(written(output, tmp_path / "c.json"), output) == []


@pytest.mark.parametrize("change", ["edit", "json", "form", "missing"])
def test_a_file_that_is_no_certificate_is_rejected(output: Path, tmp_path: Path, change: str) -> None:
    """An edited certificate, other files and a missing file are one message each."""
    certificate = written(output, tmp_path / "c.json")
    content = json.loads(certificate.read_text())
    match change:
        case "edit":
            certificate.write_text(json.dumps(content | {"samples": {"ok": 3}}))
        case "json":
            certificate.write_text("{")
        case "form":
            certificate.write_text("[]")
        case "missing":
            certificate.unlink()
    with pytest.raises(UsageError, match=r"c\.json"):
        problems(certificate, output)


def test_the_commands_print_the_digests_and_exit_by_the_outcome(output: Path, tmp_path: Path) -> None:
    """certify writes the file and prints its digest; check exits with 0, or with 1 after a change."""
    runner = CliRunner()
    done = runner.invoke(app, ["certify", str(output)])
    assert done.exit_code == 0
    certificate = output / "certificate.json"
    assert json.loads(certificate.read_text())["digest"] in done.output
    assert runner.invoke(app, ["check", str(certificate), str(output)]).exit_code == 0
    (video,) = (output / "videos/fake").glob("red-*")
    video.unlink()
    assert runner.invoke(app, ["check", str(certificate), str(output)]).exit_code == 1


def new_key(folder: Path, name: str) -> Path:
    """A new Ed25519 key of ssh-keygen in a file; its public key is in NAME.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return folder / name


@pytest.mark.skipif(which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_signature_names_who_certified(output: Path, tmp_path: Path) -> None:
    """Only the key that signed is accepted; without a key every certificate is."""
    author, other = new_key(tmp_path, "author"), new_key(tmp_path, "other")
    store = open_store(str(output))
    signed, plain = tmp_path / "signed.json", written(output, tmp_path / "plain.json")
    content = certify(store, 0, 0, engine_for, author)
    signed.write_text(json.dumps(content))
    assert [one for one in check(signed, store, author.with_suffix(".pub")) if one] == []
    assert problems(signed, output) == []
    with pytest.raises(UsageError, match="another key"):
        list(check(signed, store, other.with_suffix(".pub")))
    with pytest.raises(UsageError, match="without a signature"):
        list(check(plain, store, author.with_suffix(".pub")))
    forged = json.loads(plain.read_text()) | {"signature": content["signature"]}
    forged["created_at"] = "2020-01-01"
    del forged["digest"]
    forged["digest"] = _digest({key: value for key, value in forged.items() if key != "signature"})
    plain.write_text(json.dumps(forged))
    with pytest.raises(UsageError, match="another key or certificate"):
        list(check(plain, store, author.with_suffix(".pub")))


@pytest.mark.parametrize("content", [None, "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"])
def test_a_file_that_is_no_key_is_rejected(output: Path, tmp_path: Path, content: str | None) -> None:
    """A missing file and other files are one message, for signing and for checking."""
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    with pytest.raises(UsageError, match="key"):
        certify(open_store(str(output)), 0, 0, engine_for, key)
    with pytest.raises(UsageError, match="key"):
        list(check(written(output, tmp_path / "c.json"), open_store(str(output)), key))
