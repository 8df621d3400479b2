"""Folders that are not a pipeline are refused by the names of their files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import run

import pytest

from t2vbatch.errors import ModelError
from t2vbatch.models.checkpoints.folders import check_folder


@pytest.mark.parametrize(
    ("files", "found", "fix"),
    [
        ([], "it is empty", "check the path"),
        (["readme.md", "a/b"], "without model_index.json (it has a/, readme.md)", "check the path"),
        (["v2/model_index.json"], "it has v2/", "v2"),
        (["pytorch_lora_weights.safetensors"], "pytorch_lora", "under loras:"),
        (["config.json", "diffusion_pytorch_model.safetensors"], "config.json", "under components:"),
        (["wan.safetensors"], "wan.safetensors", "wan.safetensors"),
        ([f"{n}.txt" for n in range(9)], "5.txt and 3 more", "check the path"),
    ],
)
def test_a_folder_is_refused_with_what_it_looks_like(
    tmp_path: Path, files: Sequence[str], found: str, fix: str
) -> None:
    """The message has the folder's content and advice."""
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ModelError) as caught:
        check_folder("models.wan.path", str(tmp_path))
    assert found in caught.value.found
    assert fix in caught.value.fix


def test_what_may_be_a_checkpoint_is_not_refused(tmp_path: Path) -> None:
    """A pipeline's folder, a file, and a path that does not exist (perhaps a repository) are accepted."""
    (tmp_path / "model_index.json").touch()
    for path in (tmp_path, tmp_path / "model_index.json", Path("org/model")):
        check_folder("models.wan.path", str(path))


def test_a_job_is_refused_for_its_folder_without_torch(tmp_path: Path) -> None:
    """The folder is refused without importing torch, which takes seconds."""
    (tmp_path / "rows.txt").write_text("one\n")
    (tmp_path / "weights").mkdir()
    (tmp_path / "job.yaml").write_text(
        "manifest: rows.txt\noutput: out\nmodels:\n  wan:\n    path: weights\n    pipeline: WanPipeline\n"
    )
    program = (
        "import sys\n"
        "from t2vbatch.job import load_job\n"
        "from t2vbatch.commands.prepare import prepare\n"
        "try:\n"
        "    prepare(load_job('job.yaml'))\n"
        "except Exception as error:\n"
        "    print(error, 'torch' in sys.modules)\n"
    )
    done = run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("job.yaml:5:5: models.wan.path\n")
    assert "it is empty" in done.stdout
    assert done.stdout.endswith("False\n")
