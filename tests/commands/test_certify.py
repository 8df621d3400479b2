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
from t2vbatch.commands.certificate import LATER, table_digests
from t2vbatch.commands.certify import _digest, certify, check
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.score import score_output
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.output.store import open_store
from tests.commands.test_score import made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a small run with one score."""
    return Path(made(tmp_path_factory.mktemp("run"), {"flicker": {}}))


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


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
    found = problems(certificate, output)
    assert any("scores_digest" in one for one in found)
    assert any("job_yaml.line" in one and "motion" in one for one in found)
    (video,) = (output / "videos/fake").glob("red-*")
    video.write_bytes(b"no video")
    assert any(video.name in problem for problem in problems(certificate, output))


def test_edited_tables_and_summaries_are_not_certified(output: Path, tmp_path: Path) -> None:
    """A changed table or summary is a problem of the certificate and of a check, and not its scores."""
    certificate = written(output, tmp_path / "c.json")
    summary = json.loads((output / "summary.json").read_text())
    summary["models"]["fake"]["scores"]["flicker"]["mean"] = 99.0
    (output / "summary.json").write_text(json.dumps(summary))
    again = json.loads(written(output, tmp_path / "again.json").read_text())
    assert again["scores"] == json.loads(certificate.read_text())["scores"]
    assert "99.0" in str(again["verify"]["problems"])
    (found,) = problems(certificate, output)
    assert "summary.json" in found
    set_all(output / "results.parquet", flicker=0.125)
    (found,) = problems(certificate, output)
    assert "results.parquet: found values in column 'flicker'" in found
    edited = certify(open_store(str(output)), 0, 0, engine_for)
    assert edited["scores"] == again["scores"]


def set_all(path: Path, **values: Any) -> None:
    """Set columns of every row of a table."""
    table = pq.read_table(path)
    rows = [row | values for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def test_tables_of_another_version_are_confirmed_if_nobody_changed_them(output: Path, tmp_path: Path) -> None:
    """A summary that was certified without a problem stays right, whatever this version computes."""
    content = certify(open_store(str(output)), 0, 0, engine_for)
    summary = json.loads((output / "summary.json").read_text())
    summary["models"]["fake"]["scores"]["flicker"]["median"] = 99.0
    (output / "summary.json").write_text(json.dumps(summary))
    certificate = tmp_path / "c.json"
    for bytes_are_certified in (True, False):
        certified = table_digests(open_store(str(output))) if bytes_are_certified else content["tables"]
        changed = content | {"tables": certified}
        del changed["digest"]
        certificate.write_text(json.dumps(changed | {"digest": _digest(changed)}))
        assert bool(problems(certificate, output)) != bytes_are_certified


@pytest.mark.parametrize("column", ["prompt", "video", "row_id", "seed"])
def test_an_edited_plan_is_found(output: Path, tmp_path: Path, column: str) -> None:
    """A changed cell of plan.parquet differs from the certificate, also where the tables were made again."""
    certificate = written(output, tmp_path / "c.json")
    value: Any = 7 if column == "seed" else "videos/fake/other.mp4"
    set_all(output / "plan.parquet", **{column: value})
    store = open_store(str(output))
    rebuild(store, store.read_plan(), store.read_job())
    assert any(", plan" in problem for problem in problems(certificate, output))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "another"},
        {"status": "degenerate"},
        {"device": "another"},
        {"call": {"num_frames": 99}},
        {"scores": {"flicker": 0.9}},
        {"seed": 5},
    ],
)
def test_edited_records_are_found(output: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """A changed field of a record differs from the certificate, also where the tables were made again."""
    certificate = written(output, tmp_path / "c.json")
    store = open_store(str(output))
    records = store.records()
    rows = [row | {name: _as_cell(value) for name, value in change.items()} for row in records.to_pylist()]
    with store.lease() as fenced:
        fenced.rewrite(pa.Table.from_pylist(rows, records.schema))
        rebuild(fenced, store.read_plan(), store.read_job())
    assert any(str(output) + "," in problem for problem in problems(certificate, output))


def _as_cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def test_videos_in_each_others_place_are_found(output: Path, tmp_path: Path) -> None:
    """Two videos whose files were swapped are two problems."""
    certificate = written(output, tmp_path / "c.json")
    first, second = sorted((output / "videos/fake").glob("*.mp4"))
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    assert len(problems(certificate, output)) == 2


@pytest.mark.parametrize("name", ["job_yaml", "samples", "versions", "devices", "models", "scores"])
def test_a_certificate_with_other_statements_is_found(output: Path, tmp_path: Path, name: str) -> None:
    """What a certificate says of job, samples, versions, devices, models and scores is compared too."""
    content = certify(open_store(str(output)), 0, 0, engine_for)
    del content["digest"]
    changed = content | {name: "another"}
    (tmp_path / "c.json").write_text(json.dumps(changed | {"digest": _digest(changed)}))
    (found,) = problems(tmp_path / "c.json", output)
    assert name in found


def test_a_certificate_without_the_later_digests_is_checked(output: Path, tmp_path: Path) -> None:
    """A certificate of an earlier version is checked by the digests that it has; none may lack the first."""
    content = certify(open_store(str(output)), 0, 0, engine_for)
    earlier = {key: content[key] for key in content if key not in {"digest", *LATER, "tables"}}
    (tmp_path / "c.json").write_text(json.dumps(earlier | {"digest": _digest(earlier)}))
    assert problems(tmp_path / "c.json", output) == []
    bare = {"form": content["form"]}
    (tmp_path / "c.json").write_text(json.dumps(bare | {"digest": _digest(bare)}))
    assert len(problems(tmp_path / "c.json", output)) >= 4


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
    """certify prints the digest and every problem; both commands exit with 0, or with 1 after a change."""
    runner = CliRunner()
    done = runner.invoke(app, ["certify", str(output)])
    assert done.exit_code == 0
    certificate = output / "certificate.json"
    assert json.loads(certificate.read_text())["digest"] in done.output
    assert runner.invoke(app, ["check", str(certificate), str(output)]).exit_code == 0
    (video,) = (output / "videos/fake").glob("red-*")
    video.unlink()
    assert runner.invoke(app, ["check", str(certificate), str(output)]).exit_code == 1
    done = runner.invoke(app, ["certify", str(output)])
    assert done.exit_code == 1
    assert video.name in done.stdout


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
