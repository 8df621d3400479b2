"""The job file: defaults in one place, and one clear message for each problem."""

import pickle
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from t2vbatch.errors import CombinedJobError, JobError, ModelError
from t2vbatch.job import Job, Model, dump_job, keys, load_draft, load_job, parse_job

_SMALL = """
manifest: prompts.csv
output: out
models:
  tiny: {path: bundled:shapes}
"""


def _write(folder: Path, text: str) -> Path:
    file = folder / "job.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_small_job_gets_every_default(tmp_path: Path) -> None:
    """A job with three keys gets every default."""
    job = load_job(_write(tmp_path, _SMALL))
    assert (job.seed, job.samples, job.engine, job.video.crf) == (0, 1, "ray", 18)
    assert list(job.metrics) == ["clip_score", "clip_temporal"]


def test_paths_are_relative_to_the_job_file(tmp_path: Path) -> None:
    """A job names the same files from any working directory."""
    job = load_job(_write(tmp_path, _SMALL))
    assert job.manifest == str(tmp_path / "prompts.csv")
    assert job.output == str(tmp_path / "out")


def test_a_hub_id_stays_one_unless_a_folder_has_its_name(tmp_path: Path) -> None:
    """A path that could be a Hub id is a folder if a folder of this name is beside the job."""
    text = _SMALL.replace("bundled:shapes", "org/model")
    assert load_job(_write(tmp_path, text)).models["tiny"].path == "org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert load_job(_write(tmp_path, text)).models["tiny"].path == str(tmp_path / "org" / "model")


def test_uris_are_left_alone(tmp_path: Path) -> None:
    """The URI of an object store is not made relative to the job file."""
    job = load_job(_write(tmp_path, _SMALL), ["output=s3://bucket/prefix"])
    assert job.output == "s3://bucket/prefix"


def test_set_overrides_any_key(tmp_path: Path) -> None:
    """Values of --set are YAML, and missing sections are created."""
    sets = ["models.tiny.call.num_frames=8", "seed=7", "metrics=[]", "workers.count=3", "video.crf=30"]
    job = load_job(_write(tmp_path, _SMALL), sets)
    assert job.models["tiny"].call == {"num_frames": 8}
    assert (job.seed, job.metrics, job.workers.count, job.video.crf) == (7, {}, 3, 30)


def test_paths_of_options_start_where_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path after --set is relative to the working directory; the paths of the file stay relative to it."""
    file = _write(tmp_path, _SMALL)
    typed = tmp_path / "elsewhere"
    (typed / "weights").mkdir(parents=True)
    monkeypatch.chdir(typed)
    job = load_job(file, ["output=out", "models.tiny.path=weights"])
    assert job.output == str(typed / "out")
    assert job.models["tiny"].path == str(typed / "weights")
    assert Path(job.manifest).parent == tmp_path


def test_the_resolved_job_reads_back_as_itself(tmp_path: Path) -> None:
    """The job that is written to the output is a valid job file with the same values."""
    job = load_job(_write(tmp_path, _SMALL), ["metrics={clip_score: {frames: 4}}"])
    assert parse_job(dump_job(job), "job.yaml") == job


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        (_SMALL + "sampels: 2", "sampels", "did you mean 'samples'?"),
        (_SMALL.replace("path:", "paht:"), "models.tiny.paht", "did you mean 'path'?"),
        (_SMALL + "video: {crff: 3}", "video.crff", "did you mean 'crf'?"),
        (_SMALL + "samples: 0", "job.yaml:6:1: samples", "a whole number of at least 1"),
        (_SMALL + "samples: two", "samples", "a whole number"),
        (_SMALL + "samples: true", "samples", "a whole number"),
        (_SMALL + "engine: dask", "engine", "ray or inline"),
        (_SMALL + "workers: {count: 0}", "workers.count", "at least 1"),
        (_SMALL + "metrics: clip_score", "metrics", "list of names"),
        (
            _SMALL + "metrics: [clip_score, {flicker: 3}]",
            "job.yaml:6:24: metrics[1].flicker",
            "keys with values",
        ),
        (_SMALL + "trackers: [wandbb]", "job.yaml:6:12: trackers[0]", "did you mean 'wandb'?"),
        (_SMALL + "clip: 3", "clip", "a section with the keys path, revision"),
        (_SMALL + "clip: org/clip", "clip", 'write clip: {path: "org/clip"}'),
        ("manifest: a\noutput: b\nmodels: {a: org/x}", "models.a", 'write a: {path: "org/x"}'),
        (_SMALL + "video: {crf: 70}", "video.crf", "from 0 to 63"),
        (_SMALL + "seed: 1\nseed: 2", "job.yaml:7:1", "a second time"),
        ("output: out\nmodels: {a: {path: x}}", "manifest", "nothing"),
        ("manifest: a\noutput: b\nmodels: {}", "models", "name: model"),
        ("manifest: a\noutput: b\nmodels: {a: {}}", "models.a.path", "nothing"),
        (_SMALL + "workers: {min: 5, max: 2}", "job.yaml:6:1: workers", "a min that is not larger than max"),
        ('manifest: a\noutput: b\nmodels: {" ": {path: x}}', "models", "a name for every model"),
        (
            "manifest: s3:/bucket/a.csv\noutput: b\nmodels: {a: {path: x}}",
            "manifest",
            "write s3://bucket/a.csv",
        ),
        ("manifest: a.csv\noutput: $HOME/b\nmodels: {a: {path: x}}", "output", "write ${HOME}/b"),
        ("- a", "job.yaml", "a list"),
        ("a: [", "job.yaml", "YAML"),
        ("1: x", "job.yaml", "not text"),
        ("", "job.yaml", "mapping"),
    ],
)
def test_a_problem_gets_one_message_that_names_the_place(
    tmp_path: Path, text: str, where: str, said: str
) -> None:
    """The message has the place, what was found and what was expected."""
    with pytest.raises(JobError) as caught:
        load_job(_write(tmp_path, text))
    assert where in caught.value.where
    assert said in str(caught.value)


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    """All problems are listed in the order of the file, options last, each with its line."""
    text = _SMALL.replace("path: bundled:shapes", "paht: x, fps: fast") + "sampels: 2\nseed: ${T2V_NOT_SET}\n"
    with pytest.raises(CombinedJobError) as caught:
        load_job(_write(tmp_path, text), ["workers.count=0"])
    assert [error.where.removeprefix(str(tmp_path / "job.yaml")) for error in caught.value.errors] == [
        ":5:10: models.tiny.paht",
        ":5:19: models.tiny.fps",
        ":6:1: sampels",
        ":7:1: seed",
        "--set workers.count=0",
    ]
    assert "nput should be" not in str(caught.value)
    assert str(caught.value).startswith("5 problems")


def test_the_valid_parts_of_a_job_are_kept(tmp_path: Path) -> None:
    """Wrong keys have their default or are empty, and a model without a path is left out."""
    text = """
manifst: rows.csv
output: out
output: other
models:
  good: {path: bundled:shapes, dtype: flaot16, call: {height: 64}, extra: 1}
  bad: {pipeline: Wan}
video: {crf: 99}
samples: two
seed: 7
metrics: [flicker]
"""
    draft = load_draft(_write(tmp_path, text), ["metrics"])
    assert len(draft.problems) == 8
    assert list(draft.job.models) == ["good"]
    assert draft.job.models["good"].dtype == "float32"
    assert draft.job.models["good"].call == {"height": 64}
    assert (draft.job.seed, draft.job.samples, draft.job.video.crf) == (7, 1, 18)
    assert not draft.all_models
    assert draft.is_valid("seed", "distances")
    for key in ("manifest", "output", "models", "video", "samples", "metrics"):
        assert not draft.is_valid(key)


def test_set_does_not_invent_a_model(tmp_path: Path) -> None:
    """--set with a misspelt model name is refused, and with a path it adds a model."""
    file = _write(tmp_path, _SMALL)
    with pytest.raises(JobError, match="did you mean 'tiny'") as caught:
        load_job(file, ["models.tniy.call.num_frames=9"])
    assert caught.value.where == "--set models.tniy.call.num_frames=9"
    more = load_job(file, ["models.other.batch=2", "models.other.path=org/model"])
    assert more.models["other"].batch == 2


def test_an_error_that_names_a_key_gets_its_line(tmp_path: Path) -> None:
    """An error found later gets its line too, also for a partly written key; names may have dots."""
    text = _SMALL.replace("tiny", "wan2.1") + "metrics: [flicker]\n"
    job = load_job(_write(tmp_path, text), ["workers.count=2"])
    file = tmp_path / "job.yaml"
    for key, where in (
        ("models.wan2.1.call.num_frame", f"{file}:5:3: models.wan2.1.call.num_frame"),
        ("models.wan2.1.path", f"{file}:5:12: models.wan2.1.path"),
        ("metrics.flicker", f"{file}:6:1: metrics.flicker"),
        ("workers.count", "--set workers.count=2"),
        ("video.crf", f"{file}: video.crf"),
    ):
        assert job.located(ModelError(key, "x")).where == where
    other = ModelError("/weights/wan", "nothing")
    assert job.located(other) is other


@pytest.mark.parametrize("override", ["seed", "=3", "models..x=1", "seed.x=1"])
def test_a_malformed_override_is_refused(tmp_path: Path, override: str) -> None:
    """The message shows the option as it was typed."""
    with pytest.raises(JobError, match="--set"):
        load_job(_write(tmp_path, _SMALL + "seed: 3"), [override])


def test_a_file_that_is_not_there_is_named() -> None:
    """A wrong path of a job gives a message without a traceback."""
    with pytest.raises(JobError, match="no such file"):
        load_job("nowhere.yaml")


def test_a_remote_job_is_refused_with_its_uri() -> None:
    """The message has the URI as the user wrote it, although a path has no double slash."""
    with pytest.raises(JobError, match=r"s3://bucket/job\.yaml\n.*a URI") as caught:
        load_job(Path("s3://bucket/job.yaml"))
    assert "download it" in caught.value.fix


def test_an_existing_folder_may_look_like_a_variable_or_a_uri(tmp_path: Path) -> None:
    """A path is taken as it is where a folder of that name exists, or where it begins with a dot."""
    (tmp_path / "$HOME").mkdir()
    text = _SMALL.replace("output: out", "output: $HOME")
    assert load_job(_write(tmp_path, text)).output == str(tmp_path / "$HOME")
    dotted = _SMALL.replace("output: out", "output: ./s3:/x")
    assert load_job(_write(tmp_path, dotted)).output == str(tmp_path / "s3:" / "x")


def test_a_section_that_an_option_invents_is_blamed_on_the_option(tmp_path: Path) -> None:
    """An unknown section of --set is a problem of the command line, not of the file."""
    with pytest.raises(JobError, match="unknown key") as caught:
        load_job(_write(tmp_path, _SMALL), ["x.y.z=1"])
    assert caught.value.where == "--set x.y.z=1"


def test_every_key_has_a_description() -> None:
    """Every key has a description, which the documentation shows."""
    assert [name for name, text in keys().items() if not text] == []
    assert {"models.NAME.call", "video.crf", "workers.count", "clip.path"} <= set(keys())
    assert "manifest" in Job.model_fields


_SECRET = """
manifest: ${BASE}/prompts.csv
output: ${BASE}/out
models:
  tiny:
    path: bundled:shapes
    components: {guard: {class: X, path: y, token: "${TOKEN}"}}
    call: {api_key: "key ${TOKEN}", steps: 3}
"""


def test_references_are_resolved_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job in the output has the reference and never the secret, and reads back with the same values."""
    monkeypatch.setenv("BASE", str(tmp_path))
    monkeypatch.setenv("TOKEN", "t0p-secret")
    job = load_job(_write(tmp_path, _SECRET))
    assert job.output == str(tmp_path / "out")
    assert job.models["tiny"].components["guard"] == {"class": "X", "path": "y", "token": "t0p-secret"}
    written = dump_job(job)
    assert "t0p-secret" not in written + repr(job.models["tiny"].call)
    assert str(tmp_path) not in written
    assert parse_job(written, "again") == job
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_call_is_resolved_where_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References are resolved in the job's own arguments, and never in cells of the manifest."""
    monkeypatch.setenv("BASE", str(tmp_path))
    monkeypatch.setenv("TOKEN", "t0p-secret")
    job = load_job(_write(tmp_path, _SECRET))
    call = {"api_key": "key ${TOKEN}", "steps": 3, "prompt_2": "${TOKEN} ${PATH}"}
    assert job.call_values("tiny", call) == call | {"api_key": "key t0p-secret"}


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the missing variable and the key that refers to it."""
    monkeypatch.setenv("BASE", str(tmp_path))
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(JobError, match=r"components\.guard\.token(.|\n)*\$\{TOKEN\}, which is not set"):
        load_job(_write(tmp_path, _SECRET))


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*Job.model_fields, *Model.model_fields, "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*Job.model_fields, "unknown"]), _ANY) | _ANY)
def test_any_yaml_is_a_job_or_one_message(data: object) -> None:
    """Any mapping is a job that reads back with the same values, or a JobError without words of pydantic."""
    try:
        job = parse_job(yaml.safe_dump(data), "fuzz")
    except JobError as error:
        said = str(error)
    else:
        assert parse_job(dump_job(job), "again") == job
        return
    assert "fuzz" in said
    assert "nput should" not in said


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_job_or_one_message(text: str) -> None:
    """Any YAML text, with tags, anchors or several documents, is a job or a JobError."""
    with pytest.raises(JobError):
        parse_job(text, "fuzz")
