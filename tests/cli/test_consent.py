"""Code that another person's output names: no command uses it without the user's permission."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import load_job

EVIL: dict[str, dict[str, Any]] = {
    "plug-in": {"models": {"fake": {"path": "x", "pipeline": "evil_plugin:Model"}}},
    "component": {"models": {"fake": {"path": "x", "components": {"vae": {"class": "evil_plugin:V"}}}}},
    "scheduler": {"models": {"fake": {"path": "x", "scheduler": {"class": "evil_plugin:S"}}}},
    "pickle": {"models": {"fake": {"path": "x", "allow_pickle": True}}},
    "cluster": {"engine": "ray", "ray": {"address": "192.0.2.1:6379"}},
    "variable": {"clip": {"path": "${EVIL_SECRET}/x"}},
    "program": {"metrics": {"mine": {"command": ["touch", "ran"], "yields": {"x": "lower"}}}},
    "judge": {"metrics": {"mine": {"program": "vlm_judge", "arguments": ["--url", "http://evil.test/v1"]}}},
    "backbone": {
        "distances": {"d": {"kind": "fvd", "reference": "r", "backbone": "b.pt", "allow_pickle": True}}
    },
}
GENERATING = ("plug-in", "component", "scheduler", "pickle", "cluster", "variable")
COMMANDS: list[tuple[Sequence[str], Sequence[str]]] = [
    (("verify", "--deep", "1"), GENERATING),
    (("verify", "--repair"), (*GENERATING, "program", "judge", "backbone")),
    (("certify", "--deep", "1"), GENERATING),
    (("score",), ("cluster", "variable", "program", "judge")),
    (("distance",), ("cluster", "variable", "backbone")),
]


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run; the module ``evil_plugin`` can be imported, and leaves a file where it is."""
    (tmp_path / "rows.txt").write_text("a cat\n")
    (tmp_path / "evil_plugin.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVIL_SECRET", "the secret of this user")
    model = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.txt", "output": "out", "metrics": [], "engine": "inline"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job | {"models": {"fake": model}}))
    run_job(prepare(load_job(tmp_path / "job.yaml")), engine_for)
    return tmp_path / "out"


def poison(output: Path, changes: dict[str, Any]) -> None:
    """Change the job of the output."""
    job = yaml.safe_load((output / "job.yaml").read_text())
    (output / "job.yaml").write_text(yaml.safe_dump(job | changes))


@pytest.mark.parametrize(
    ("command", "kind"),
    [(command, kind) for command, kinds in COMMANDS for kind in kinds],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_code_of_an_output_needs_permission(output: Path, command: Sequence[str], kind: str) -> None:
    """Without a terminal, a command that needs permission is refused; the message names key and option."""
    poison(output, EVIL[kind])
    name, *options = command
    result = CliRunner().invoke(app, [name, str(output), *options])
    assert isinstance(result.exception, UsageError), result.output
    assert "--allow-code" in str(result.exception)
    assert "the secret" not in str(result.exception)
    assert not (output.parent / "ran").exists()


@pytest.mark.parametrize("kind", EVIL)
def test_commands_that_need_no_code_run_none(output: Path, kind: str) -> None:
    """report, verify, import-scores, status, compare and sheet run no code of an output."""
    poison(output, EVIL[kind])
    (output.parent / "vbench.json").write_text(json.dumps({"motion_smoothness": [0.5, []]}))
    for command in (["report"], ["verify"], ["status"], ["failures"], ["certify"], ["sheet"]):
        result = CliRunner().invoke(app, [command[0], str(output), *command[1:]])
        assert result.exit_code == 0, (command, result.output, result.exception)
    CliRunner().invoke(app, ["import-scores", str(output), str(output.parent / "vbench.json")])
    CliRunner().invoke(app, ["compare", str(output)])
    assert not (output.parent / "ran").exists()


def test_bundled_models_and_adapters_need_no_permission(output: Path) -> None:
    """Code of t2vbatch, diffusers and transformers needs no permission."""
    assert CliRunner().invoke(app, ["verify", str(output), "--deep", "1"]).exit_code == 0


def test_permission_is_given_by_the_option(output: Path) -> None:
    """With --allow-code the plug-in is imported."""
    poison(output, EVIL["plug-in"])
    CliRunner().invoke(app, ["verify", str(output), "--deep", "1", "--allow-code"])
    assert (output.parent / "ran").exists()
