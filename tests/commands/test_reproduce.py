"""Entries of leaderboards: a job with expected values is reproduced."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.reproduce import reproduce_entry
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import Expected, Job, Model, load_job

_ENTRIES = Path(__file__).parents[2] / "jobs/leaderboards"


def entry(folder: Path, **expected: Any) -> Job:
    """An entry on the fake model with one expected flicker."""
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"ball {row}"}) + "\n" for row in range(6))
    )
    values = {"model": "fake", "score": "flicker", "value": 0.5, "source": "a paper", "date": "2026-01-01"}
    return Job(
        manifest=str(folder / "rows.jsonl"),
        output=str(folder / "out"),
        models={"fake": Model(path="anything", pipeline="t2vbatch.models.fake:FakeModel")},
        metrics={"flicker": {}},
        engine="inline",
        expected={"flicker": Expected(**{**values, **expected})},
    )


def test_the_bundled_entry_is_consistent(tmp_path: Path) -> None:
    """The entry of the bundled model gives its published value, and the same dataset twice."""
    overrides = [f"output={tmp_path / 'out'}", "engine=inline"]
    job = load_job(_ENTRIES / "shapes.yaml", overrides)
    found = reproduce_entry(prepare(job), engine_for)
    assert found.consistent, found.values
    assert found.result.summary.counts.ok == found.result.summary.counts.planned
    assert reproduce_entry(prepare(job), engine_for).dataset == found.dataset


@pytest.mark.parametrize(
    ("distance", "tolerance", "agrees"), [(0.0, None, True), (0.9, None, False), (0.1, 0.2, True)]
)
def test_a_value_agrees_within_the_interval_or_the_tolerance(
    tmp_path: Path, distance: float, tolerance: float | None, agrees: bool
) -> None:
    """Without a tolerance the expected value must lie in the 95% interval of the run."""
    measured = reproduce_entry(prepare(entry(tmp_path)), engine_for).values[0].measured
    assert measured is not None
    job = entry(tmp_path, value=measured.mean + distance, tolerance=tolerance)
    assert reproduce_entry(prepare(job), engine_for).consistent == agrees


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"model": "other"}, r"expected\.flicker\.model"), ({"score": "motion"}, r"expected\.flicker\.score")],
)
def test_an_entry_must_name_its_model_and_score(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    """A model or score that the job does not have is one message."""
    with pytest.raises(UsageError, match=message):
        reproduce_entry(prepare(entry(tmp_path, **changes)), engine_for)


def test_imported_scores_are_compared(tmp_path: Path) -> None:
    """A score of VBench is not measured before its import, and is compared after it."""
    job = entry(tmp_path, score="vbench_color", value=0.25)
    assert reproduce_entry(prepare(job), engine_for).values[0].measured is None
    videos = [{"video_path": f"/x/ball {row}-0.mp4", "video_results": 0.25} for row in range(6)]
    (tmp_path / "scores.json").write_text(json.dumps({"color": [0.25, videos]}))
    done = CliRunner().invoke(app, ["import-scores", job.output, str(tmp_path / "scores.json")])
    assert done.exit_code == 0, done.output
    assert reproduce_entry(prepare(job), engine_for).consistent


def test_failed_samples_are_counted_beside_the_measured_value(tmp_path: Path) -> None:
    """A value over fewer samples than planned says over how many it is."""
    job = entry(tmp_path)
    with Path(job.manifest).open("a") as rows:
        rows.write(json.dumps({"prompt": "a ball [fault:raise]"}) + "\n")
    (value,) = reproduce_entry(prepare(job), engine_for).values
    assert (value.scored, value.planned) == (6, 7)
    file = tmp_path / "entry.json"
    file.write_text(json.dumps(job.model_dump(mode="json", exclude_defaults=True)))
    done = CliRunner().invoke(app, ["reproduce", str(file)])
    assert done.exit_code == 3
    assert "flicker: measured over 6 of 7 samples" in done.output


@pytest.mark.parametrize("change", [{"value": float("nan")}, {"tolerance": float("inf")}])
def test_an_expected_value_is_a_finite_number(tmp_path: Path, change: dict[str, float]) -> None:
    """NaN agrees with nothing, and an infinite tolerance with everything."""
    with pytest.raises(ValidationError, match="finite"):
        entry(tmp_path, **change)


def test_a_job_without_expected_values_is_no_entry(tmp_path: Path) -> None:
    """The message names the key."""
    with pytest.raises(UsageError, match="expected"):
        reproduce_entry(prepare(entry(tmp_path).model_copy(update={"expected": {}})), engine_for)


def test_the_command_exits_by_the_outcome(tmp_path: Path) -> None:
    """reproduce prints expected and measured values and unpublished settings, and exits with 1 if a value
    does not agree.
    """
    job = entry(tmp_path, value=9.0).model_copy(update={"unpublished": ["seeds"]})
    file = tmp_path / "entry.json"
    file.write_text(json.dumps(job.model_dump(mode="json", exclude_defaults=True)))
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["reproduce", str(file)])
    assert done.exit_code == 1
    assert "a paper, 2026-01-01" in done.output
    assert "not published, chosen by this job: seeds" in done.output
    assert "dataset " in done.output
    found = json.loads(CliRunner().invoke(app, ["reproduce", str(file), "--json"]).stdout)
    assert (found["consistent"], found["values"][0]["expected"]["value"]) == (False, 9.0)
    assert found["unpublished"] == ["seeds"]


@pytest.mark.parametrize("job", sorted(_ENTRIES.glob("*.yaml")), ids=lambda job: job.name)
def test_every_entry_has_an_expected_value_and_a_line(job: Path) -> None:
    """Each entry is a valid job with expected values, names what is not published, and the index lists it."""
    loaded = load_job(job)
    assert loaded.expected
    assert bool(loaded.unpublished) == (job.name != "shapes.yaml")
    assert f"[{job.name}]({job.name})" in (_ENTRIES / "README.md").read_text()
