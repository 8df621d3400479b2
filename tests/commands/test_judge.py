"""t2vbatch judge: pairs, both positions, votes that compare reads, and judges that fail."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from t2vbatch.cli import app
from t2vbatch.commands.judge import judge_outputs
from t2vbatch.commands.judge_session import JudgeProgram
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import RunError, UsageError
from t2vbatch.job import Job, Model, VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.video import Video, encode
from t2vbatch.metrics.program_file import FOLDER
from t2vbatch.output.records import results_schema
from tests.endpoint import running_endpoint, use_this_python

HEAD = """# /// script
# requires-python = ">=3.10"
# dependencies = []
#
# [tool.t2vbatch]
# pairs = true
# ///
import json, os, sys, time

def light(video):
    data = open(video["frames"], "rb").read()[128:]
    return sum(data) / len(data)

def answer(request, **found):
    print(json.dumps({"id": request["id"], **found}), flush=True)

for number, line in enumerate(sys.stdin):
    request = json.loads(line)
"""
LIGHTER = "    answer(request, preference='a' if light(request['a']) > light(request['b']) else 'b')\n"
FIRST = "    answer(request, preference='a')\n"


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Two models on six prompts; bright's videos are brighter, and one of dark's is degenerate."""
    folder, rows = tmp_path / "run", []
    for model, shade in (("bright", 200), ("dark", 50)):
        (folder / "videos" / model).mkdir(parents=True)
        for row in range(6):
            name = f"videos/{model}/{row}.mp4"
            frames = np.full((2, 16, 16, 3), shade + row, np.uint8)
            encode(Video(frames, 8), folder / name, VideoFile())
            status = "degenerate" if (model, row) == ("dark", 5) else "ok"
            known = {"sample_id": f"{model}{row}", "row_id": f"r{row}", "prompt": f"prompt {row}", "fps": 8.0}
            rows.append(known | {"seed": 2**62 + row, "model": model, "status": status, "video": name})
    pq.write_table(pa.Table.from_pylist(rows, results_schema([], pa.schema([]))), folder / "results.parquet")
    return str(folder)


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., JudgeProgram]:
    """Builds a judge from the body of its loop."""

    def build(body: str, timeout_s: float = 120) -> JudgeProgram:
        program = tmp_path / "mine.py"
        program.write_text(HEAD + body)
        use_this_python(program, tmp_path / "cache", monkeypatch)
        return JudgeProgram(str(program), (), timeout_s)

    return build


def lines(file: Path) -> list[Any]:
    """The votes of a file."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def typed(*arguments: str) -> Result:
    """The result of a command; its errors are raised."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_each_pair_is_asked_in_both_positions(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """A judge that prefers light agrees with itself; the degenerate video loses without a question."""
    votes = tmp_path / "votes.jsonl"
    result = judge_outputs([output], judge(LIGHTER), votes)
    assert (result.total, len(result.pending), len(result.decided)) == (6, 5, 1)
    found = lines(votes)
    assert {one["row_id"] for one in found} == {f"r{row}" for row in range(6)}
    assert {(one["left"], one["right"], one["winner"], one["p_left"]) for one in found} == {
        ("bright", "dark", "bright", 1.0)
    }
    assert [one["answers"] for one in found if "answers" in one] == [[1.0, 1.0]] * 5
    (decided,) = (one for one in found if "reason" in one)
    assert (decided["row_id"], decided["reason"]) == ("r5", "dark: degenerate")


def test_compare_reports_how_often_the_judge_agrees_with_itself(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """A judge that always prefers the first video has only ties, agrees never, and its bias is shown."""
    votes = tmp_path / "votes.jsonl"
    judge_outputs([output], judge(FIRST), votes)
    assert {one["winner"] for one in lines(votes) if "answers" in one} == {None}
    found = json.loads(typed("compare", output, "--votes", str(votes), "--json").output)["votes"]
    (one,) = found["judges"]
    assert (one["pairs"], one["agreement"]["mean"], one["first"]["mean"]) == (5, 0, 1)
    (rate,) = found["win_rates"]
    assert (rate["wins"], rate["ties"], rate["losses"]) == (1, 5, 0)
    assert rate["rate"]["mean"] == pytest.approx((5 * 0.5 + 1) / 6)
    assert "agrees with itself" in typed("compare", output, "--votes", str(votes)).output


def test_a_probability_counts_as_a_part_of_a_win(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """0.9 for the brighter video shown first, and 0.3 for the darker one, are a share of 0.8."""
    body = "    answer(request, probability=0.9 if light(request['a']) > light(request['b']) else 0.3)\n"
    votes = tmp_path / "votes.jsonl"
    judge_outputs([output], judge(body), votes, limit=2)
    shares = [one["p_left"] for one in lines(votes) if "answers" in one]
    assert shares == pytest.approx([0.8, 0.8])
    found = json.loads(typed("compare", output, "--votes", str(votes), "--json").output)["votes"]
    assert found["win_rates"][0]["rate"]["mean"] == pytest.approx((2 * 0.8 + 1) / 3)


def test_an_interrupted_judge_continues(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """--limit bounds the pairs of a call; the next call continues after a line that a crash cut."""
    votes, asked = tmp_path / "votes.jsonl", judge(LIGHTER)
    assert len(judge_outputs([output], asked, votes, limit=2).pending) == 2
    with votes.open("a") as file:
        file.write('{"row_id": "r')
    result = judge_outputs([output], asked, votes, parallel=3)
    assert (result.before, len(result.pending)) == (3, 3)
    assert len({(one["row_id"], one["left"]) for one in lines(votes)}) == len(lines(votes)) == 6
    assert judge_outputs([output], asked, votes).pending == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    print('hello', flush=True)\n", "invalid JSON: b'hello'"),
        ("    os._exit(3)\n", "exited with code 3"),
        ("    answer(request, probability=float('nan'))\n", "probability nan; expected a number from 0 to 1"),
        ("    answer(request, probability=2)\n", "probability 2; expected a number from 0 to 1"),
        ("    answer(request, preference='left')\n", "preference 'left'; expected a, b or tie"),
        ("    answer(request)\n", "expected preference or probability"),
        ("    answer({'id': 99}, preference='a')\n", "with id 99; expected the id of the request"),
        ('    print(\'{"preference": "a"}\', flush=True)\n', "without an id; expected the id"),
    ],
)
def test_a_judge_that_fails_stops_after_five_pairs(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path, body: str, reason: str
) -> None:
    """After five failures the command stops with one message; the file has no vote of the failed pairs."""
    votes = tmp_path / "votes.jsonl"
    with pytest.raises(RunError, match="5 pairs in a row could not be judged") as raised:
        judge_outputs([output], judge(body), votes)
    assert reason in str(raised.value)
    assert [one["row_id"] for one in lines(votes)] == ["r5"]


def test_a_judge_that_refuses_its_arguments_stops_at_once(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing arguments of the program are a wrong call, exit code 2, and no failure of pairs."""
    use_this_python(FOLDER / "vlm_judge.py", tmp_path / "cache", monkeypatch)
    asked = JudgeProgram("vlm_judge", ("--model", "m"))
    with pytest.raises(UsageError, match="required: --url") as error:
        judge_outputs([output], asked, tmp_path / "votes.jsonl")
    assert error.value.where == "--arguments"


def test_a_judge_that_hangs_is_stopped(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """After the time limit the program is ended, the pair counts as failed, and the next one is asked."""
    body = "    if request['prompt'] == 'prompt 1':\n        time.sleep(600)\n" + LIGHTER
    votes = tmp_path / "votes.jsonl"
    result = judge_outputs([output], judge(body, timeout_s=5), votes)
    assert list(result.failed.values()) == [1]
    assert "did not answer within the time limit of 5 s" in next(iter(result.failed))
    assert len(lines(votes)) == 5


def test_a_file_has_the_votes_of_one_judge(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path
) -> None:
    """Votes of people, or of other arguments, are not mixed with those of the judge."""
    votes = tmp_path / "votes.jsonl"
    asked = judge(LIGHTER)
    judge_outputs([output], asked, votes)
    with pytest.raises(UsageError, match="votes of mine with other settings"):
        judge_outputs([output], JudgeProgram(asked.program, ("--frames", "4")), votes)
    person = {"row_id": "r0", "seed": "1", "left": "bright", "right": "dark", "winner": None}
    votes.write_text(json.dumps(person) + "\n")
    with pytest.raises(UsageError, match="votes of people"):
        judge_outputs([output], asked, votes)
    with pytest.raises(UsageError, match="a program that scores single videos only"):
        judge_outputs([output], JudgeProgram("clap_score"), tmp_path / "other.jsonl")


def test_the_command_says_what_it_costs_and_keeps_the_key_to_itself(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of questions is printed first; the message of an endpoint error does not contain the key."""
    use_this_python(FOLDER / "vlm_judge.py", tmp_path / "cache", monkeypatch)
    monkeypatch.setenv("VLM_JUDGE_KEY", "sk-secret")
    votes = tmp_path / "votes.jsonl"
    with running_endpoint() as endpoint:
        url = f"http://127.0.0.1:{endpoint.server_port}/v1"
        options = ["--program", "vlm_judge", "--votes", str(votes), "--arguments"]
        command = ["judge", output, *options, f"--url {url} --model m --frames 2 --retries 0", "--limit"]
        endpoint.answers = ["A", "B"]
        result = typed(*command, "2")
        assert result.exit_code == 0
        assert "asking vlm_judge about 2: 4 questions" in result.output
        assert "2 pairs judged" in result.output
        assert {one["winner"] for one in lines(votes)} == {"bright"}
        endpoint.answers = ["neither of them"]
        result = typed(*command, "3")
        assert result.exit_code == 3
        assert result.output.count("gave no preference") == 1
        assert len(endpoint.requests) == 4 + 3
    assert "sk-secret" not in votes.read_text() + result.output


def test_an_interrupted_judge_keeps_its_votes(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the command with exit code 130 and whole lines; the same command asks about the others."""
    use_this_python(FOLDER / "vlm_judge.py", tmp_path / "cache", monkeypatch)
    votes = tmp_path / "votes.jsonl"
    with running_endpoint() as endpoint:
        endpoint.answers, endpoint.at_once = ["A", "B"], 2
        url = f"http://127.0.0.1:{endpoint.server_port}/v1"
        options = ["--program", "vlm_judge", "--votes", str(votes), "--arguments", f"--url {url} --model m"]
        command = [sys.executable, "-m", "t2vbatch", "judge", output, *options]
        started = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        while len(endpoint.requests) < 3 and started.poll() is None:
            time.sleep(0.05)
        os.killpg(started.pid, signal.SIGINT)  # A terminal interrupts the judge's program too.
        _, errors = started.communicate()
        assert started.returncode == 130, errors
        assert b"Traceback" not in errors
        kept = lines(votes)
        assert 1 < len(kept) < 6
        endpoint.released.set()
        assert typed("judge", output, *options).exit_code == 0
    assert lines(votes)[: len(kept)] == kept
    assert {one["row_id"] for one in lines(votes)} == {f"r{row}" for row in range(6)}


def test_a_judge_gets_the_inputs_of_the_row(
    judge: Callable[..., JudgeProgram], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With images and texts in its metadata, each question has the row's images and cells."""
    rows = [{"prompt": "one", "image": "start.png", "style": "ink"}, {"prompt": "two", "image": "start.png"}]
    Image.new("RGB", (16, 12), (10, 0, 0)).save(tmp_path / "start.png")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake: dict[str, Any] = {"path": "any", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = Job(
        manifest=str(tmp_path / "rows.jsonl"),
        output=str(tmp_path / "out"),
        models={"a": Model(**fake), "b": Model(**fake, call={"num_inference_steps": 3})},
        metrics={},
        engine="inline",
    )
    output = run_job(prepare(job), engine_for).output
    asked = judge(
        "    with open(request['image'], 'rb') as file:\n        png = file.read(4) == b'\\x89PNG'\n"
        "    ink = request['texts'] == {'style': 'ink' if request['prompt'] == 'one' else None}\n"
        "    right = png and ink and request['last_image'] is None\n"
        "    answer(request, preference='tie' if right else 'a')\n"
    )
    program = Path(asked.program)
    program.write_text(
        program.read_text().replace("pairs = true", "pairs = true\n# images = true\n# texts = ['style']")
    )
    use_this_python(program, tmp_path / "cache", monkeypatch)
    votes = tmp_path / "votes.jsonl"
    assert judge_outputs([output], asked, votes).failed == {}
    assert [one["answers"] for one in lines(votes)] == [[0.5, 0.5]] * 2


def test_a_judge_of_sound_gets_both_sounds(
    output: str, judge: Callable[..., JudgeProgram], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With audio in its metadata, each video of a question has its WAV file, or null without sound."""
    table = pq.read_table(f"{output}/results.parquet")
    rows = [row | {"status": "ok"} for row in table.to_pylist() if row["row_id"] in ("r0", "r1")]
    sound = Audio(np.full((1, 4000), 3000, np.int16), 16000)
    for row in rows:
        if row["model"] == "bright":
            frames = np.full((2, 16, 16, 3), 200, np.uint8)
            encode(Video(frames, 8, sound), Path(output) / row["video"], VideoFile())
            row["audio_rate_hz"] = 16000
    pq.write_table(pa.Table.from_pylist(rows, table.schema), f"{output}/results.parquet")
    asked = judge(
        "    sounds = [request[side]['audio'] for side in 'ab']\n"
        "    waves = [path is not None and open(path, 'rb').read(4) == b'RIFF' for path in sounds]\n"
        "    answer(request, preference='tie' if sum(waves) != 1 else 'ab'[waves.index(True)])\n"
    )
    program = Path(asked.program)
    program.write_text(program.read_text().replace("pairs = true", "pairs = true\n# audio = true"))
    use_this_python(program, tmp_path / "cache", monkeypatch)
    votes = tmp_path / "votes.jsonl"
    assert judge_outputs([output], asked, votes).failed == {}
    assert [one["winner"] for one in lines(votes)] == ["bright"] * 2
