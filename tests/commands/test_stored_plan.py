"""Commands about a finished run need its output alone: no manifest, media, models or Hub."""

import json
import shutil
import socket
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.exchange.trackers.entry import entry_of
from t2vbatch.job import Tracker, load_job
from t2vbatch.models.shapes import CLIP
from t2vbatch.output.store import open_store

FAKE = "t2vbatch.models.fake:FakeModel"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of two models whose rows had images; everything that they were made from is gone."""
    folder = tmp_path_factory.mktemp("run")
    Image.new("RGB", (64, 48), "red").save(folder / "a.png")
    rows = [{"id": f"r{index}", "prompt": f"a red ball {index}", "image": "a.png"} for index in range(3)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    models = {name: {"path": name, "pipeline": FAKE, "call": {"num_frames": 8}} for name in ("m", "n")}
    job = {"manifest": "rows.jsonl", "output": "out", "metrics": ["flicker"], "engine": "inline"}
    models["n"]["call"] = {"num_frames": 4}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"models": models}))
    run_job(prepare(load_job(folder / "job.yaml")), engine_for)
    for name in ("rows.jsonl", "a.png", "job.yaml"):
        (folder / name).unlink()
    stored = folder / "out/job.yaml"
    stored.write_text(stored.read_text().replace(FAKE, "gone.from.here:Model"))
    return folder / "out"


@pytest.fixture
def output(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the output in another place, on a machine without a network."""

    def refuse(*arguments: object) -> None:
        raise OSError("no network, as requested")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    results = {"color": [1.0, [{"video_path": "a red ball 0-0.mp4", "video_results": 0.5}]]}
    (tmp_path / "vbench.json").write_text(json.dumps(results))
    return Path(shutil.copytree(finished, tmp_path / "moved"))


@pytest.mark.parametrize(
    "command",
    [
        "report OUT",
        "status OUT",
        "verify OUT",
        "failures OUT",
        "score OUT --metrics motion",
        "score OUT --renew",
        "compare OUT",
        "distance OUT --kind fid --frames 2 --reference OUT/videos/m --backbone CLIP",
        "export OUT FOLDER/exported --layout hf",
        "import-scores OUT FOLDER/vbench.json --model m",
        "sheet OUT",
        "certify OUT",
        "prune OUT --yes",
    ],
)
def test_a_command_about_a_run_needs_its_output_alone(output: Path, command: str) -> None:
    """The command succeeds in a moved output, without manifest, media, model and Hub."""
    places = {"OUT": str(output), "FOLDER": str(output.parent), "CLIP": str(CLIP)}
    for name, place in places.items():
        command = command.replace(name, place)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, (result.output, result.exception)


def test_a_tracker_gets_a_run_from_its_output_alone(output: Path) -> None:
    """The tracker gets the numbers and a video of both models from the output alone."""
    with entry_of(open_store(str(output)), Tracker(videos=1)) as entry:
        assert {name.partition("/")[0] for name in entry.numbers} >= {"m", "n"}
        assert len(entry.videos) == 2
