"""The command line: exit codes, one message per error, and nothing is started that can be refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2vbatch import __version__
from t2vbatch.cli import main
from t2vbatch.output.store import open_store

_JOB = """
manifest: rows.csv
output: out
metrics: []
engine: inline
models:
  fake: {path: x, pipeline: "t2vbatch.models.fake:FakeModel"}
"""


@dataclass(frozen=True)
class Done:
    """The exit code and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def quick(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: the same code, without seconds of imports each time."""

    def command(*arguments: str) -> Done:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["t2vbatch", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    return command


def _t2vbatch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with its output in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "t2vbatch", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\nb,two\n")
    (tmp_path / "job.yaml").write_text(_JOB)
    return tmp_path


def test_a_run_from_start_to_end(folder: Path) -> None:
    """run twice, status, verify and report exit with their codes and print plain lines into a pipe."""
    first = _t2vbatch(folder, "run", "job.yaml")
    assert first.returncode == 0, first.stderr
    assert "2 videos generated" in first.stdout
    assert "report/index.html" in first.stdout
    assert "2/2 samples" in first.stderr
    assert "\x1b" not in first.stdout + first.stderr
    second = _t2vbatch(folder, "run", "job.yaml")
    assert second.returncode == 0
    assert "0 videos generated" in second.stdout
    status = _t2vbatch(folder, "status", "out", "--json")
    assert json.loads(status.stdout)["ok"] == 2
    assert _t2vbatch(folder, "verify", "out").stdout == "2 videos as recorded; 0 problems\n"
    (folder / "out/report/index.html").unlink()
    assert _t2vbatch(folder, "report", "out").returncode == 0
    assert (folder / "out/report/index.html").exists()
    next((folder / "out/videos").rglob("*.mp4")).unlink()
    broken = _t2vbatch(folder, "verify", "out")
    assert broken.returncode == 1
    assert "found no such file" in broken.stderr
    assert broken.stdout.splitlines() == [
        "1 video as recorded; 1 problem",
        "t2vbatch verify out --repair generates these videos again",
    ]


def test_json_is_one_object(folder: Path) -> None:
    """With --json all of stdout is one JSON object."""
    run = _t2vbatch(folder, "run", "job.yaml", "--json", "--set", "samples=2")
    found = json.loads(run.stdout)
    assert (found["made"], found["exit_code"], found["summary"]["counts"]["ok"]) == (4, 0, 4)
    wrong = _t2vbatch(folder, "run", "nowhere.yaml", "--json")
    assert json.loads(wrong.stdout)["error"] == "JobError"


def test_failed_samples_make_exit_code_three(folder: Path, quick: Command) -> None:
    """A run that finishes with failed samples exits with 3, so that a script can see it."""
    (folder / "rows.csv").write_text("id,prompt\na,one\nb,two [fault:raise]\n")
    run = quick("run", "job.yaml")
    assert run.returncode == 3
    assert "RowError" in run.stdout


def test_a_dry_run_makes_nothing(folder: Path, quick: Command) -> None:
    """run --dry-run and plan print what a run would generate, and generate nothing."""
    for arguments in (("run", "job.yaml", "--dry-run"), ("plan", "job.yaml")):
        done = quick(*arguments)
        assert done.returncode == 0, done.stderr
        assert "2 samples, 2 to generate" in done.stdout
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"job.yaml": None}, "no such file"),
        ({"job.yaml": _JOB + "sampels: 1"}, "did you mean 'samples'?"),
        ({"job.yaml": _JOB.replace("metrics: []", "metrics: [clip_scor]")}, "did you mean 'clip_score'?"),
        ({"job.yaml": _JOB.replace("FakeModel", "FakeModle")}, "FakeModle"),
        ({"job.yaml": _JOB.replace('pipeline: "t2vbatch.models.fake:FakeModel"', "")}, "models.fake.path"),
        ({"job.yaml": _JOB.replace("path: x,", "path: x, call: {num_frame: 3},")}, "'num_frames'"),
        ({"rows.csv": None}, "rows.csv"),
        ({"rows.csv": ""}, "rows.csv"),
        ({"rows.csv": "id,prompt\n"}, "rows.csv"),
        ({"rows.csv": "topic\nx\n"}, "prompt"),
        ({"rows.csv": "id,prompt\na,one\na,two\n"}, "'a'"),
        ({"rows.csv": "prompt,seed\none,x\n"}, "seed"),
        ({"rows.csv": f"prompt\n{'x' * 10_001}\n"}, "10,000"),
        ({"rows.csv": "prompt,image\none,gone.png\n"}, "gone.png"),
        ({"rows.csv": "prompt,image\none,broken.png\n"}, "broken.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_wrong_input_gets_one_message(
    folder: Path, quick: Command, change: dict[str, str | None], said: str
) -> None:
    """Wrong input gives exit code 2 and one message, without a traceback and without an output folder."""
    (folder / "broken.png").write_bytes(b"no image")
    for name, text in change.items():
        (folder / name).unlink()
        if text is not None:
            (folder / name).write_text(text)
    run = quick("run", "job.yaml")
    assert run.returncode == 2, run.stderr
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (folder / "out").exists()


def test_a_truncated_parquet_is_refused(folder: Path, quick: Command) -> None:
    """The message for a truncated Parquet file is ours and not Arrow's."""
    pq.write_table(pa.table({"prompt": ["one"] * 100}), folder / "rows.parquet")
    data = (folder / "rows.parquet").read_bytes()
    (folder / "rows.parquet").write_bytes(data[: len(data) // 2])
    run = quick("run", "job.yaml", "--set", "manifest=rows.parquet")
    assert run.returncode == 2
    assert "rows.parquet" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_output_that_cannot_be_written_is_one_message(folder: Path, quick: Command) -> None:
    """An output whose path is a file is refused with one message."""
    (folder / "out").write_text("in the way")
    run = quick("run", "job.yaml")
    assert run.returncode == 2
    assert "out" in run.stderr
    assert "a folder" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_full_disk_is_one_message_and_keeps_what_is_finished(folder: Path) -> None:
    """A run whose disk becomes full stops with one message, and continues once there is space."""
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        rows = "\n".join(f"r{n},prompt {n}" for n in range(40))
        (folder / "rows.csv").write_text(f"id,prompt\n{rows}\n")
        sets = ("--set", "output=small/out", "--set", "models.fake.call={height: 256, width: 256}")
        full = _t2vbatch(folder, "run", "job.yaml", *sets)
        assert full.returncode == 1, full.stderr
        assert "no space" in full.stderr.lower()
        assert "Traceback" not in full.stderr
        finished = open_store(str(small / "out")).records().num_rows
        assert finished > 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        more = _t2vbatch(folder, "run", "job.yaml", "--json", *sets)
        assert more.returncode == 0, more.stderr
        assert json.loads(more.stdout)["made"] == 40 - finished
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_manifest_check_lists_all(folder: Path, quick: Command) -> None:
    """manifest check lists all problems, not only the first, and exits with 2."""
    Image.new("RGB", (4, 4)).save(folder / "i.png")
    (folder / "rows.csv").write_text("prompt,seed,image\none,x,i.png\n,1,\nthree,2,gone.png\n")
    check = quick("manifest", "check", "rows.csv")
    assert check.returncode == 2
    assert all(f"row {row}" in check.stdout for row in (1, 2, 3))
    (folder / "rows.csv").write_text("prompt\none\n")
    assert quick("manifest", "check", "rows.csv").returncode == 0


def test_manifest_check_takes_a_job_with_its_limits(folder: Path, quick: Command) -> None:
    """manifest check accepts a job, applies its limits, and names the key of an exceeded limit."""
    (folder / "rows.csv").write_text("prompt\n" + "long " * 3000)
    assert "limits.prompt_chars in the job raises this" in quick("manifest", "check", "job.yaml").stdout
    (folder / "job.yaml").write_text(_JOB + "limits: {prompt_chars: 20000}\n")
    assert quick("manifest", "check", "job.yaml").returncode == 0


def test_metrics_and_models_are_listed(folder: Path, quick: Command) -> None:
    """Metrics and models are listed and shown by name; an unknown name gets the nearest known one."""
    names = quick("metrics").stdout
    assert "clip_temporal" in names
    assert "videoscore2" in names
    program = quick("metrics", "videoscore2").stdout
    assert "Tried with" in program
    assert "transformers==" in program
    assert "range" in quick("metrics", "clip_score").stdout.lower()
    listed = quick("models", "--json")
    assert {"WanPipeline", "CogVideoXPipeline"} <= {card["name"] for card in json.loads(listed.stdout)}
    assert "num_frames" in quick("models", "WanPipeline").stdout
    unknown = quick("models", "WanPipelin")
    assert unknown.returncode == 2
    assert "'WanPipeline'" in unknown.stderr


def test_the_version_is_printed(folder: Path, quick: Command) -> None:
    """--version prints the version of the package."""
    assert quick("--version").stdout == f"t2vbatch {__version__}\n"


def test_the_doctor_lists_the_machine(folder: Path, quick: Command) -> None:
    """doctor --json has devices, memory, ffmpeg, the Hub and packages."""
    found = {fact["name"] for fact in json.loads(quick("doctor", "--json").stdout)["facts"]}
    assert {"python", "memory", "cpus", "gpu", "ffmpeg", "hub", "pipelines"} <= found


@pytest.mark.parametrize(
    "arguments", [["runn"], ["run"], ["run", "job.yaml", "--sett", "x"], ["status", "nowhere"]]
)
def test_a_mistyped_command_is_refused(folder: Path, quick: Command, arguments: list[str]) -> None:
    """An unknown command is refused without a traceback."""
    done = quick(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_error_says_whether_a_run_was_asked_for(folder: Path, quick: Command) -> None:
    """Errors of commands that start workers begin with 'not started', all others with 'error'."""
    assert quick("run", "nowhere.yaml").stderr.startswith("not started: nowhere.yaml")
    assert quick("status", "nowhere").stderr.startswith("error: ")
    assert quick("plan", "nowhere.yaml").stderr.startswith("error: ")


def test_a_run_of_a_part(folder: Path, quick: Command) -> None:
    """--limit and --only generate those samples only, exit with 0, and a later run generates the rest."""
    assert quick("run", "job.yaml", "--limit", "1").returncode == 0
    assert open_store(str(folder / "out")).records()["row_id"].to_pylist() == ["a"]
    again = quick("run", "job.yaml", "--set", "samples=2", "--only", "b")
    assert "2 videos generated\n1 pending" in again.stdout
    planned = quick("plan", "job.yaml", "--set", "samples=3").stdout
    assert "6 samples, 3 to generate" in planned
    videos = [line.split()[3] for line in planned.splitlines()[1:4]]
    assert [video.partition("~")[0] for video in videos] == [
        f"videos/fake/{n}" for n in ("a-1", "a-2", "b-2")
    ]
    unknown = quick("run", "job.yaml", "--only", "bb")
    assert unknown.returncode == 2
    assert "did you mean 'b'" in unknown.stderr
    assert quick("status", "out").stdout.count("pending 1") == 1


def test_failures_are_grouped_with_their_samples(folder: Path, quick: Command) -> None:
    """One error of three samples is one group; the command says how to retry."""
    (folder / "rows.csv").write_text("id,prompt\n" + "".join(f"{i},x [fault:raise]\n" for i in "abc"))
    run = quick("run", "job.yaml")
    assert "0 videos generated\n" in run.stdout
    assert "everything" not in run.stdout
    assert run.stderr.count("RuntimeError") == 2  # once as it happens, once counted
    shown = quick("failures", "out").stdout
    assert "3 of 3 samples" in " ".join(shown.split())
    assert "samples: a-0, b-0, c-0" in shown
    assert "--retry-failed" in shown
    (group,) = json.loads(quick("failures", "out", "--json").stdout)
    assert "Traceback" in group["traceback"]


def test_a_folder_on_a_read_only_disk_is_refused_before_the_run(folder: Path, quick: Command) -> None:
    """A read-only output is refused at once, and the message names the folder."""
    target = folder / "ro"
    target.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(target)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        run = quick("run", "job.yaml", "--set", f"output={target}/out")
        assert run.returncode == 2
        assert f"{target} is not writable" in run.stderr
    finally:
        subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run job.yaml --limit two", "'--limit': expected a whole number"),
        ("run job.yaml --limit 0", "'--limit': expected 1 or more"),
        ("verify out --deep -1", "'--deep': expected 0 or more"),
        ("compare out --format html", "'--format': 'html' is not one of 'text', 'markdown', 'latex'"),
        ("judge out --program p --votes v --timeout-s soon", "'--timeout-s': expected a number"),
    ],
)
def test_a_wrong_value_of_an_option_is_one_line(quick: Command, arguments: str, said: str) -> None:
    """The message names the option and what is expected, without words of pydantic."""
    done = quick(*arguments.split())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"Error: Invalid value for {said}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run job.yaml samples=3", "--set samples=3"),
        ("run job.yaml --samples 3", "--set samples=VALUE"),
        ("plan job.yaml --set samples 3", "--set KEY=VALUE"),
        ("help", "t2vbatch --help"),
    ],
)
def test_a_key_in_a_wrong_place_gets_the_right_option(quick: Command, arguments: str, said: str) -> None:
    """A key of the job as an argument or an option is refused with how to set it."""
    done = quick(*arguments.split())
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_a_shell_completes_commands() -> None:
    """The installed completion script asks the program."""
    environment = {**os.environ, "_T2VBATCH_COMPLETE": "complete_bash", "COMP_WORDS": "t2vbatch fail"}
    program = Path(sys.executable).with_name("t2vbatch")
    done = subprocess.run([program], env={**environment, "COMP_CWORD": "1"}, capture_output=True, text=True)
    assert done.stdout.split() == ["failures"]


_MODULES_AFTER = """
import sys
from t2vbatch.cli import main
try:
    main()
except SystemExit:
    pass
print("loaded:", *sorted({%s} & set(sys.modules)))
"""
_HEAVY = '"torch", "diffusers", "transformers", "ray", "peft", "scipy"'


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "plan job.yaml",
        "run wrong.yaml",
        "models WanPipeline",
        "metrics",
        "manifest check rows.csv",
        "doctor",
        "init new.yaml",
        "status out",
        "failures out",
    ],
)
def test_a_command_that_answers_loads_no_torch(folder: Path, arguments: str) -> None:
    """Commands that generate nothing import neither torch nor diffusers nor Ray."""
    (folder / "wrong.yaml").write_text(_JOB.replace("metrics: []", "metrics: [clip_scor]"))
    command = [sys.executable, "-c", _MODULES_AFTER % _HEAVY, *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_run_reports_all_problems_of_a_job_together(quick: Command) -> None:
    """A wrong key, a wrong metric and an unwritable output are one message of run, and of plan."""
    for command in ("run", "plan"):
        sets = ["samples=two", "metrics=[clip_scor]", "output=/proc/no"]
        done = quick(command, "job.yaml", *(word for one in sets for word in ("--set", one)))
        assert done.returncode == 2
        assert "3 problems" in done.stderr.splitlines()[0]
        assert all(f"--set {one}" in done.stderr for one in sets)


@pytest.mark.parametrize("arguments", ["wrong.yaml", "job.yaml --set output=/proc/no"])
def test_a_refused_run_loads_no_client_of_the_hub(folder: Path, arguments: str) -> None:
    """A refused job of local models imports neither an HTTP client nor the scheduler."""
    (folder / "wrong.yaml").write_text(_JOB.replace("metrics: []", "metrics: [clip_scor]"))
    wanted = f'{_HEAVY}, "huggingface_hub.errors", "t2vbatch.schedule"'
    command = [sys.executable, "-c", _MODULES_AFTER % wanted, "run", *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "not started" in done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_a_run_with_nothing_to_do_loads_no_torch(folder: Path) -> None:
    """A run with nothing to do imports neither torch nor diffusers nor Ray."""
    assert _t2vbatch(folder, "run", "job.yaml").returncode == 0
    command = [sys.executable, "-c", _MODULES_AFTER % _HEAVY, "run", "job.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "0 videos generated" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_a_beginning_names_what_begins_with_it(quick: Command) -> None:
    """A part of a name is answered with the names that begin with it."""
    shown = quick("models", "Wan").stderr
    assert "WanPipeline" in shown
    assert "AllegroPipeline" not in shown


def test_an_unknown_bundled_model_is_refused(quick: Command) -> None:
    """init refuses a bundled:NAME that is not a bundled model, and names the known one."""
    done = quick("init", "new.yaml", "--model", "bundled:shape", "--prompts", "rows.csv")
    assert done.returncode == 2
    assert "bundled:shapes" in done.stderr


def test_help_loads_no_library_of_data(folder: Path) -> None:
    """Importing the command line loads neither pyarrow nor pydantic: commands import what they need."""
    code = "import sys, t2vbatch.cli; print(*{'pyarrow', 'numpy', 'pydantic', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_arrow_takes_its_memory_from_the_system() -> None:
    """The command line chooses Arrow's pool before it imports Arrow; the choice of the user counts first."""
    code = "import sys, t2vbatch.cli; sys.argv = ['t2vbatch', '--version']\n"
    code += "try: t2vbatch.cli.main()\nexcept SystemExit: pass\n"
    code += "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    pools = [
        subprocess.run([sys.executable, "-c", code], env=chosen, capture_output=True, text=True, check=True)
        for chosen in (environment, environment | {"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"})
    ]
    assert [done.stdout.split()[-1] for done in pools] == ["system", "mimalloc"]
