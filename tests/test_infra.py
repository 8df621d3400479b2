"""The files in infra/ fit their schemas, the command line, the job files, and a real Ray."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from t2vbatch import __version__
from t2vbatch.cli import app
from t2vbatch.job import load_job
from t2vbatch.output.store import open_store

_ROOT = Path(__file__).parent.parent
_INFRA = _ROOT / "infra"
_MANIFESTS = sorted(_INFRA.rglob("*.yaml"))
_IMAGE_ROOT = "/opt/t2vbatch/"

_JOB = """
manifest: rows.csv
output: out
metrics: []
workers: {count: 1}
models:
  fake: {path: x, pipeline: "t2vbatch.models.fake:FakeModel"}
"""

# Slurm's two programs, as far as the script uses them: one node, which is this machine.
_SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
_SCONTROL = """#!/usr/bin/env bash
echo "$@" >> "$TOLD"
[[ $1 == show ]] && echo 127.0.0.1
exit 0
"""


def _documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def _commands(file: Path) -> list[list[str]]:
    """Every ``t2vbatch ...`` command in a file."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    entry = yaml.safe_load(text)["spec"].get("entrypoint") if file.name == "rayjob.yaml" else None
    found = re.findall(r"(?:^|[\s'`])(t2vbatch [a-z][^\n`'|&#]*)", entry or text)
    return [shlex.split(command) for command in found]


_CALLS = [
    pytest.param(file, words, id=f"{file.name}: {' '.join(words[:3])}")
    for file in (*_MANIFESTS, *_INFRA.rglob("*.sbatch"), _INFRA / "README.md")
    for words in _commands(file)
]


@pytest.mark.parametrize("file", _MANIFESTS, ids=lambda file: file.name)
def test_a_manifest_is_kubernetes(file: Path) -> None:
    """Every document has a kind and a name."""
    for document in _documents(file):
        assert {"apiVersion", "kind", "metadata"} <= document.keys()
        assert {"name", "generateName"} & document["metadata"].keys()


@pytest.mark.parametrize(("file", "words"), _CALLS)
def test_a_command_exists(file: Path, words: list[str]) -> None:
    """Every command and option in infra/ exists, and its job file is valid."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    command = root.commands[words[1]]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    for job in (word for word in words if word.endswith(".yaml")):
        load_job(_ROOT / job.removeprefix(_IMAGE_ROOT))


def test_calls_are_found() -> None:
    """The test above finds calls in the Ray job, the script and the page."""
    files = {parameters.values[0] for parameters in _CALLS}
    assert {file.name for file in files if isinstance(file, Path)} == {
        "rayjob.yaml",
        "run.sbatch",
        "README.md",
    }


def test_the_ray_job_is_one_release() -> None:
    """Its image has the version of this package, and its cluster the pinned version of Ray."""
    (job,) = _documents(_INFRA / "kuberay/rayjob.yaml")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = {c["image"] for group in groups for c in group["template"]["spec"]["containers"]}
    assert images == {f"t2vbatch:{__version__}"}
    assert f"ray=={cluster['rayVersion']}\n" in (_ROOT / "constraints.txt").read_text()


def test_the_queue_has_room_for_the_ray_job() -> None:
    """Its name is the label of the job; its quota covers head, workers and a core for the submitter."""
    (job,) = _documents(_INFRA / "kuberay/rayjob.yaml")
    _, cluster_queue, local_queue = _documents(_INFRA / "kueue/queue.yaml")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == local_queue["metadata"]["name"]
    assert local_queue["spec"]["clusterQueue"] == cluster_queue["metadata"]["name"]
    ((quota,),) = [
        [flavor["resources"] for flavor in group["flavors"]]
        for group in cluster_queue["spec"]["resourceGroups"]
    ]
    room = {entry["name"]: _amount(entry["nominalQuota"]) for entry in quota}
    cluster = job["spec"]["rayClusterSpec"]
    groups = [(1, cluster["headGroupSpec"]), *((g["replicas"], g) for g in cluster["workerGroupSpecs"])]
    for resource, available in room.items():
        asked = 0
        for count, group in groups:
            (container,) = group["template"]["spec"]["containers"]
            asked += count * _amount(container["resources"]["requests"].get(resource, 0))
        spare = 0 if resource == "nvidia.com/gpu" else 1
        assert asked + spare <= available, resource


def _amount(quantity: object) -> int:
    return int(str(quantity).removesuffix("Gi"))


def test_the_image_has_what_its_recipe_copies() -> None:
    """Each file is in the repository, and the ignore file lets it through."""
    recipe = (_INFRA / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.*) \S+$", recipe, re.M) for word in line.split()]
    passed = re.findall(r"^!(\S+)$", (_INFRA / "Dockerfile.dockerignore").read_text(), re.M)
    assert sorted(copied) == sorted(passed)
    assert all((_ROOT / name).exists() for name in copied)


def _slurm(tmp_path: Path, arguments: list[str], **programs: str) -> "subprocess.Popen[str]":
    """The script as Slurm starts it: the first of the job's nodes runs it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"srun": _SRUN, "scontrol": _SCONTROL, **programs}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TOLD": str(tmp_path / "told"),
        "SLURM_JOB_ID": str(_number()),
        "SLURM_JOB_NODELIST": "here",
        "SLURM_CPUS_ON_NODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        ["bash", str(_INFRA / "slurm/run.sbatch"), *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _number() -> int:
    return 100_000 + os.getpid() % 10_000


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """However the test ends, no process of the script is left."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_slurm_script_makes_videos(tmp_path: Path) -> None:
    """The Slurm script makes videos on a real Ray of one node, with stand-ins for two programs of Slurm."""
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\nb,two\n")
    (tmp_path / "job.yaml").write_text(_JOB)
    process = _slurm(tmp_path, ["job.yaml", "--set", "samples=2"])
    with _ended(process):
        shown, _ = process.communicate(timeout=240)
        assert process.returncode == 0, shown
        assert open_store(str(tmp_path / "out")).records().num_rows == 4
        assert (tmp_path / "told").read_text() == "show hostnames here\n"
        lines = [" ".join(other.info["cmdline"] or ()) for other in psutil.process_iter(["cmdline"])]
        assert [line for line in lines if f"/tmp/ray-{_number()}/" in line] == []


def test_slurm_puts_an_interrupted_run_back_into_its_queue(tmp_path: Path) -> None:
    """The run gets the signal, ends by itself with 130, and the job is requeued."""
    ray = "#!/usr/bin/env bash\n[[ $1 == health-check ]] || exec sleep 100\n"
    stopped = f"#!{sys.executable}\n" + (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(130)))\n"
        "pathlib.Path('runs').touch()\n"
        "time.sleep(100)\n"
    )
    process = _slurm(tmp_path, ["job.yaml"], ray=ray, t2vbatch=stopped)
    with _ended(process):
        while not (tmp_path / "runs").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 130
    assert (tmp_path / "told").read_text().splitlines()[-1] == f"requeue {_number()}"
