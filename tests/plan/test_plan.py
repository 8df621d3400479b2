"""Plans: identities cover what decides pixels, models share seeds, and units fill calls."""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2vbatch.errors import JobError, ManifestError, ModelError, RowError
from t2vbatch.job import Job, parse_job
from t2vbatch.manifest import read_manifest
from t2vbatch.models.protocol import FrameRule, ModelFacts
from t2vbatch.output.records import RECORDS
from t2vbatch.plan import PLAN, Plan, derive_seed, make_plan, safe_name
from t2vbatch.plan.names import fan_out
from t2vbatch.plan.units import Selection, distinct_units, pending

_FACTS = ModelFacts(
    identity={"weights": "abc", "pipeline": "Some"},
    parameters=frozenset({"num_frames", "guidance_scale", "num_inference_steps"}),
    call={"num_frames": 8},
    signature={"num_inference_steps": 10},
    requires=frozenset({"prompt"}),
    accepts=frozenset({"prompt", "image"}),
    fps=8.0,
    frames_argument="num_frames",
    frames=FrameRule(every=4),
)


def _job(**changes: Any) -> Job:
    data = {"manifest": "m", "output": "o", "models": {"a": {"path": "x"}}} | changes
    return parse_job(json.dumps(data), "job")


def _plan(
    folder: Path, rows: list[dict[str, Any]], job: Job | None = None, facts: ModelFacts = _FACTS
) -> Plan:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = job or _job()
    return make_plan(read_manifest(str(file)), job, dict.fromkeys(job.models, facts))


def _ids(plan: Plan) -> list[str]:
    return list(plan.table["sample_id"].to_pylist())


def test_every_row_model_and_index_is_one_sample(tmp_path: Path) -> None:
    """2 rows x 2 models x 3 indices are 12 samples with 12 identities and 12 files."""
    job = _job(models={"a": {"path": "x"}, "b": {"path": "y", "call": {"guidance_scale": 2.0}}}, samples=3)
    plan = _plan(tmp_path, [{"prompt": "one"}, {"prompt": "two"}], job)
    assert len(plan) == len(set(_ids(plan))) == len(set(plan.table["video"].to_pylist())) == 12
    assert plan.table.schema == PLAN
    assert plan.counts() == {"a": 6, "b": 6}


@pytest.mark.parametrize("samples", [6_000_000, 10**12, 2**63])
def test_a_job_of_too_many_samples_is_refused(tmp_path: Path, samples: int) -> None:
    """A job with more samples than the limit is refused before any array of that size is made."""
    with pytest.raises(JobError, match=r"samples in all rows[^$]*limits\.samples"):
        _plan(tmp_path, [{"prompt": "one"}, {"prompt": "two"}], _job(samples=samples))


def test_position_and_neighbours_do_not_count(tmp_path: Path) -> None:
    """Reordering, adding and removing rows leaves the other samples what they were."""
    one, two, three = {"prompt": "one"}, {"prompt": "two"}, {"prompt": "three"}
    first = _ids(_plan(tmp_path, [one, two]))
    second = _ids(_plan(tmp_path, [three, two, one]))
    assert second[1:] == first[::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"models": {"a": {"path": "x", "call": {"num_frames": 12}}}},
        {"models": {"a": {"path": "x", "batch": 2}}},
        {"models": {"a": {"path": "x", "fps": 12}}},
        {"video": {"crf": 20}},
    ],
    ids=str,
)
def test_what_decides_the_file_decides_the_identity(tmp_path: Path, change: dict[str, Any]) -> None:
    """Seed, call, batch, rate and encoding each make another sample."""
    rows = [{"prompt": "one"}]
    assert _ids(_plan(tmp_path, rows, _job(**change))) != _ids(_plan(tmp_path, rows))


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": []},
        {"output": "elsewhere"},
        {"workers": {"count": 7}},
        {"engine": "inline"},
        {"models": {"a": {"path": "moved"}}},
        {"models": {"a": {"path": "x", "call": {"num_frames": 8}}}},
    ],
    ids=str,
)
def test_what_decides_no_pixel_is_not_in_the_identity(tmp_path: Path, change: dict[str, Any]) -> None:
    """Metrics, workers, engine, paths and written defaults do not change the identity."""
    rows = [{"prompt": "one"}]
    assert _ids(_plan(tmp_path, rows, _job(**change))) == _ids(_plan(tmp_path, rows))


def test_the_model_is_in_the_identity(tmp_path: Path) -> None:
    """Other weights make other samples, whatever the model is called."""
    other = replace(_FACTS, identity={"weights": "xyz", "pipeline": "Some"})
    rows = [{"prompt": "one"}]
    assert _ids(_plan(tmp_path, rows, facts=other)) != _ids(_plan(tmp_path, rows))


def test_a_column_that_is_an_argument_overrides_the_call(tmp_path: Path) -> None:
    """The row's value wins over the job's, and other columns stay extra columns."""
    rows: list[dict[str, Any]] = [
        {"prompt": "one", "num_frames": 4, "topic": "x"},
        {"prompt": "one", "num_frames": None},
    ]
    plan = _plan(tmp_path, rows)
    assert [plan.planned(index).call for index in range(2)] == [{"num_frames": 4}, {"num_frames": 8}]
    assert plan.table["cost"].to_pylist() == [40.0, 80.0]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.decimal128(5, 2)], ids=str)
def test_a_number_is_one_value_in_columns_of_every_type(tmp_path: Path, kind: pa.DataType) -> None:
    """0.1 in a column of narrow floats or of decimals is the 0.1 of JSON, and so is the sample."""
    cells = pa.array([Decimal("0.1")]).cast(pa.float64()).cast(kind)
    pq.write_table(pa.table({"id": ["a"], "prompt": ["x"], "guidance_scale": cells}), tmp_path / "m.parquet")
    job = _job()
    plan = make_plan(read_manifest(str(tmp_path / "m.parquet")), job, dict.fromkeys(job.models, _FACTS))
    expected = _plan(tmp_path, [{"id": "a", "prompt": "x", "guidance_scale": 0.1}])
    assert (_ids(plan), plan.bad) == (_ids(expected), expected.bad)


def test_an_extra_column_does_not_change_a_row_with_an_id(tmp_path: Path) -> None:
    """A change of an extra column does not change the identity of a row with an id."""
    first = _plan(tmp_path, [{"id": "r", "prompt": "one", "topic": "x"}])
    second = _plan(tmp_path, [{"id": "r", "prompt": "one", "topic": "y"}])
    assert _ids(first) == _ids(second)


def test_a_column_that_is_nearly_an_argument_gets_a_note(tmp_path: Path) -> None:
    """A column that is nearly an argument stays an extra column, and a note names the argument."""
    plan = _plan(tmp_path, [{"prompt": "one", "guidance_scal": 3.0, "category": "x"}])
    assert [note for note in plan.notes if "guidance_scal" in note and "'guidance_scale'" in note]
    assert not [note for note in plan.notes if "category" in note]


def test_seeds_are_shared_by_models_and_differ_by_row_and_index(tmp_path: Path) -> None:
    """Two models have equal seeds for the same row and index; other rows and indices have other seeds."""
    job = _job(models={"a": {"path": "x"}, "b": {"path": "y"}}, samples=2)
    table = _plan(tmp_path, [{"prompt": "one"}, {"prompt": "two"}], job).table
    seeds = table["seed"].to_pylist()
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4


def test_a_seed_in_the_manifest_is_used_as_it_is(tmp_path: Path) -> None:
    """The seed of a sample is the seed of its row plus the sample index."""
    plan = _plan(tmp_path, [{"prompt": "one", "seed": 100}], _job(samples=3))
    assert plan.table["seed"].to_pylist() == [100, 101, 102]


def test_derived_seeds_are_pinned() -> None:
    """Derived seeds have fixed values that fit a signed 64-bit integer."""
    assert derive_seed(0, "row", 0) == 654115991237523856
    assert all(0 <= derive_seed(0, "row", index) < 2**63 for index in range(100))


def test_identities_are_pinned(tmp_path: Path) -> None:
    """An identity that changes makes a finished video again: only a major version may change one."""
    from PIL import Image

    Image.new("RGB", (8, 8), "red").save(tmp_path / "i.bmp")
    rows: list[dict[str, Any]] = [
        {"id": "r1", "prompt": "one"},
        {"id": "r2", "prompt": "\u732b \u00e9", "negative_prompt": "dirty", "num_frames": 4, "seed": 7},
        {"id": "r3", "prompt": "one", "image": "i.bmp"},
    ]
    assert _ids(_plan(tmp_path, rows)) == [
        "3a0852b0558c00ae34d2fd1816cfbdb6161881981bef8fe2aaaa287bc6bf7959",
        "37a4b6fda4fa79874ef09ab7dc6b15c41d9f6c10a4620a9c1948c940f8892a79",
        "8bd37e6dc350c4ef3ac6aad46312beaa8111de6191017019330dc4cf9c967154",
    ]


def test_a_row_may_leave_models_out(tmp_path: Path) -> None:
    """Only the models in the column model generate the row."""
    job = _job(models={"a": {"path": "x"}, "b": {"path": "y"}})
    rows: list[dict[str, Any]] = [{"prompt": "one", "model": ["b"]}, {"prompt": "two"}]
    plan = _plan(tmp_path, rows, job)
    assert plan.table["model"].to_pylist() == ["b", "a", "b"]


def test_a_row_of_unknown_models_keeps_its_place(tmp_path: Path) -> None:
    """Recorded as bad, it counts for every model; the plan keeps the order of the rows."""
    job = _job(models={"a": {"path": "x"}, "b": {"path": "y"}}, on_bad_row="record")
    models = (["b"], ["c"], ["c", "a"])
    plan = _plan(tmp_path, [{"prompt": "one", "model": names} for names in models], job)
    assert plan.table["row"].to_pylist() == [0, 1, 1, 2]
    assert plan.table["model"].to_pylist() == ["b", "a", "b", "a"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "r1", "prompt": "one", "model": "c"}, "a model of the job"),
        ({"id": "r1", "image": "i.png"}, "a prompt, which model 'a' needs"),
        ({"id": "r1", "prompt": "x", "num_frames": {"$a": 1}}, "canonical form"),
        ({"id": "r1", "prompt": "x", "num_frames": 10}, "such as 8 or 12"),
    ],
)
def test_a_row_that_cannot_be_planned_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """The message about a bad row has its id and what was expected."""
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "i.png")
    with pytest.raises(ManifestError) as caught:
        _plan(tmp_path, [row])
    assert "'r1'" in str(caught.value)
    assert said in str(caught.value)


def test_an_argument_that_the_call_does_not_take_is_refused() -> None:
    """An unknown argument is refused before anything is loaded, with the nearest known one."""
    job = _job(models={"a": {"path": "x", "call": {"guidance_scal": 3}}})
    with pytest.raises(ModelError, match=r"models\.a\.call\.guidance_scal(.|\n)*'guidance_scale'"):
        make_plan(_NoRows, job, {"a": _FACTS})  # type: ignore[arg-type]


class _NoRows:
    """Stands for a manifest that must not be read: the job is refused first."""


def test_an_image_counts_by_its_bytes(tmp_path: Path) -> None:
    """Another file under the same name is another sample, and a worker is never given the wrong one."""
    from PIL import Image

    rows = [{"id": "r", "prompt": "one", "image": "i.png"}]
    Image.new("RGB", (8, 8), "red").save(tmp_path / "i.png")
    plan = _plan(tmp_path, rows)
    assert plan.sample(0).media["image"].data == (tmp_path / "i.png").read_bytes()
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "i.png")
    assert _ids(_plan(tmp_path, rows)) != _ids(plan)
    with pytest.raises(RowError, match="changed after it was planned"):
        plan.sample(0)


def _records(sample_ids: list[str]) -> pa.Table:
    nothing: Mapping[str, Any] = dict.fromkeys(RECORDS.names)
    return pa.Table.from_pylist([{**nothing, "sample_id": name} for name in sample_ids], RECORDS)


def test_what_has_a_record_is_not_pending(tmp_path: Path) -> None:
    """Samples with a record are in no unit."""
    plan = _plan(tmp_path, [{"prompt": str(n)} for n in range(5)])
    units = pending(plan, _records(_ids(plan)[1:4]), _job())
    assert [unit.positions for unit in units["a"]] == [(0,), (4,)]
    assert pending(plan, _records(_ids(plan)), _job()) == {}


def test_a_selection_takes_the_first_pending_samples(tmp_path: Path) -> None:
    """A limit counts pending samples only, in the order of the plan, and after the choice of rows."""
    plan = _plan(tmp_path, [{"id": name, "prompt": name} for name in "abcde"])
    records = _records(_ids(plan)[:1])

    def chosen(selection: Selection) -> list[int]:
        return [n for unit in pending(plan, records, _job(), selection)["a"] for n in unit.positions]

    assert chosen(Selection(limit=2)) == [1, 2]
    assert chosen(Selection(rows=frozenset("ade"))) == [3, 4]
    assert chosen(Selection(limit=1, rows=frozenset("ade"))) == [3]
    assert pending(plan, records, _job(), Selection(limit=0)) == {}


def test_units_are_full_of_equal_calls_longest_first(tmp_path: Path) -> None:
    """A unit never mixes calls, and the last one of a call may be short."""
    job = _job(models={"a": {"path": "x", "batch": 2}})
    frames = [4, 8, 4, 8, 8, 16]
    plan = _plan(tmp_path, [{"prompt": str(n), "num_frames": f} for n, f in enumerate(frames)], job)
    units = list(pending(plan, _records([]), job)["a"])
    assert [unit.positions for unit in units] == [(5,), (1, 3), (4,), (0, 2)]
    assert [unit.cost for unit in units] == [160.0, 80.0, 80.0, 40.0]


def test_the_samples_of_a_row_have_one_distinct_call(tmp_path: Path) -> None:
    """Of five samples of each row one is kept, in the order of the units, up to the limit."""
    plan = _plan(tmp_path, [{"prompt": "one"}, {"prompt": "two"}, {"prompt": "three"}], _job(samples=5))
    units = pending(plan, _records([]), _job())["a"]
    assert [unit[0].prompt for unit in distinct_units(plan, units, 10)] == ["one", "two", "three"]
    assert [unit[0].prompt for unit in distinct_units(plan, units, 2)] == ["one", "two"]


@pytest.mark.parametrize("name", ["a", "row-1", "x_y.z", "0"])
def test_plain_names_stay(name: str) -> None:
    """Names that every file system accepts stay unchanged."""
    assert safe_name(name) == name


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_are_safe_and_differ(one: str, other: str) -> None:
    """On a disk that folds case and knows reserved names, different ids are different files."""
    safe = safe_name(one)
    assert safe == safe.lower()
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.~")
    assert 0 < len(safe) <= 80
    assert not safe.startswith(".")
    assert not safe.endswith(".")
    assert (one == other) == (safe == safe_name(other))


@pytest.mark.parametrize(
    "name", ["CON", "con", "nul.txt", "a/b", "..", ".", "a" * 300, "A", "é", "a.", "a b"]
)
def test_dangerous_names_are_replaced(name: str) -> None:
    """Reserved, absolute, hidden, long and upper-case names are replaced."""
    assert safe_name(name) != name
    assert "/" not in safe_name(name)


_THREE: list[dict[str, Any]] = [{"prompt": "a"}, {"prompt": "b", "samples": 3}, {"prompt": "c", "samples": 1}]


def test_a_row_may_have_its_own_number_of_samples(tmp_path: Path) -> None:
    """The column ``samples`` replaces the job's number; a row without a value keeps the job's."""
    job = _job(models={"a": {"path": "x"}, "b": {"path": "x"}}, samples=2)
    plan = _plan(tmp_path, _THREE, job)
    found = plan.table.filter(pc.equal(plan.table["model"], "b"))
    assert found["row"].to_pylist() == [0, 0, 1, 1, 1, 2]
    assert found["sample_index"].to_pylist() == [0, 1, 0, 1, 2, 0]
    assert plan.counts() == {"a": 6, "b": 6}
    assert plan.notes[0].startswith("column 'samples' sets the samples of 2 rows")


def test_the_number_of_samples_moves_no_sample(tmp_path: Path) -> None:
    """Identity, seed and file of row and index are the same for every number of samples, also in the job."""
    plain = _plan(tmp_path, [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}], _job(samples=3))
    own = _plan(tmp_path, _THREE, _job(samples=2))
    columns = ["sample_id", "row_id", "sample_index", "seed", "video"]
    among = plain.table.select(columns).to_pylist()
    assert all(line in among for line in own.table.select(columns).to_pylist())
    more = _plan(tmp_path, [{"prompt": "b", "samples": 5}])
    assert _ids(more)[:3] == _ids(plain)[3:6]


def test_a_row_with_a_seed_counts_on_from_it(tmp_path: Path) -> None:
    """The seeds of a row with a seed are that seed plus the index, and must stay below 2**63."""
    rows = [{"prompt": "a", "seed": 7, "samples": 3}, {"prompt": "b", "seed": 2**63 - 1, "samples": 1}]
    plan = _plan(tmp_path, rows)
    assert plan.table["seed"].to_pylist() == [7, 8, 9, 2**63 - 1]
    with pytest.raises(ManifestError, match="for 2 samples"):
        _plan(tmp_path, [{"prompt": "b", "seed": 2**63 - 1, "samples": 2}])
    bad = _plan(tmp_path, [{"prompt": "b", "seed": 2**63 - 1, "samples": 2}], _job(on_bad_row="record"))
    assert len(bad.bad) == 2
    assert min(bad.table["seed"].to_pylist()) >= 0


@pytest.mark.parametrize(
    ("samples", "digits"), [(10_000, 0), (10_001, 1), (64_000, 1), (64_001, 2), (1_000_000, 2)]
)
def test_no_folder_has_more_files_than_the_hub_takes(samples: int, digits: int) -> None:
    """Sub-folders are 40% full on average, since some get more samples than others."""
    assert fan_out(samples) == digits
