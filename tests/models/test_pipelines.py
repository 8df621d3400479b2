"""The table of diffusers' classes: equal to the library, and enough to plan without torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest

from t2vbatch.models import pipelines
from t2vbatch.models.calls.signature import read_signature
from t2vbatch.models.pipelines import diffusers_classes, from_json, to_json
from t2vbatch.models.read_diffusers import read_diffusers
from tests.models import line

Checkpoint = Callable[[str], Path]


def test_the_table_is_that_of_the_installed_library() -> None:
    """The shipped file holds every class as the code reads it now; the module's program rewrites it."""
    path = Path(pipelines.__file__).parent / "tables" / f"diffusers-{diffusers.__version__}.json"
    shipped, found = json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(read_diffusers()))
    for part, entries in found.items():
        if isinstance(entries, dict):
            wrong = [name for name, entry in entries.items() if shipped[part].get(name) != entry]
            assert (part, wrong) == (part, [])
        else:
            assert set(entries) <= set(shipped[part])


def test_a_table_survives_json() -> None:
    """Reading what was written gives the same classes."""
    classes = diffusers_classes()
    assert from_json(json.loads(json.dumps(to_json(classes)))) == classes
    assert classes.pipelines["WanPipeline"].call == read_signature(diffusers.WanPipeline)


def test_another_version_is_read_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a shipped table the classes are read from diffusers, and then from the user's cache folder."""
    monkeypatch.setattr(pipelines, "version", lambda name: "0.0.0")
    reads: list[dict[str, Any]] = []
    classes = to_json(diffusers_classes())

    def read() -> dict[str, Any]:
        reads.append(classes)
        return classes

    monkeypatch.setattr("t2vbatch.models.read_diffusers.read_diffusers", read)
    for _ in range(2):
        diffusers_classes.cache_clear()
        assert "WanPipeline" in diffusers_classes().pipelines
    assert len(reads) == 1
    diffusers_classes.cache_clear()


@pytest.mark.parametrize(
    ("name", "call", "said"),
    [("WanPipeline", {}, "planned 1"), ("WanPipeline", {"num_frames": 16}, "13 or 17")],
)
def test_a_plan_and_a_refusal_import_neither_torch_nor_diffusers(
    name: str, call: dict[str, int], said: str, tmp_path: Path
) -> None:
    """A job with a checkpoint is planned, or refused, without the libraries that take seconds to import."""
    models = line.checkpoints([name], tmp_path)
    rows = line.rows(models, tmp_path)
    models[name]["call"] |= call
    line.write(tmp_path, "out", models, rows)
    program = (
        "import sys\n"
        "from t2vbatch.job import load_job\n"
        "from t2vbatch.commands.prepare import prepare\n"
        "try:\n"
        "    print('planned', len(prepare(load_job('job.yaml')).plan))\n"
        "except Exception as error:\n"
        "    print(error)\n"
        "print(*(sys.modules.keys() & {'torch', 'diffusers', 'transformers', 'ray'}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said in done.stdout
    assert done.stderr.split() == []
