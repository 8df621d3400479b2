"""First files: a job and its prompts, for ``t2vbatch init`` and ``t2vbatch demo``."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from t2vbatch.errors import UsageError
from t2vbatch.job import LIMITS
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.sources import find_source
from t2vbatch.storage.files import local_path

BUNDLED = "bundled:shapes"

DEMO_PROMPTS = """\
id,prompt,topic
red-circle-left,a red circle moves left,direction
green-square-up,a green square moving up,direction
yellow-star-down,a yellow star falls,direction
blue-triangle-right,a blue triangle slides to the right,direction
pink-circle-circling,a pink ball moves in circles,path
cyan-square-bouncing,a cyan square bouncing up and down,path
purple-star-circling,a purple star circling around,path
orange-triangle-bouncing,an orange triangle bounces,path
yellow-circle-shrinking,a yellow circle shrinks,size
red-star-still,a red star stays still,stillness
blue-square-navy,a blue square moves right on a gray background,background
green-circle-light,a green circle drifts left on a light background,background
"""
"""The manifest of the quickstart: prompts that the bundled model understands."""

_EXAMPLE_PROMPTS = {
    True: "a red circle moves left\na blue star falls\na green square bounces\n",
    False: "A red fox runs through fresh snow.\nWaves break on a rocky shore at sunset.\n",
}
"""Three prompts of the bundled model, and two for any other."""

_COMMENT = """\
# Check it:        t2vbatch plan {name}
# Try one video:   t2vbatch run {name} --limit 1
# Run it:          t2vbatch run {name}
# Every key:       docs/reference.md of t2vbatch; arguments of `call`: t2vbatch models PIPELINE

"""


@dataclass(frozen=True)
class Starter:
    """The files to write: a job, and a list of prompts if that file does not exist."""

    files: Mapping[Path, str]


def starter(job: Path, model: str, prompts: str, output: str) -> Starter:
    """A job file, and example prompts if ``prompts`` does not exist.

    Args:
        model: Hub id, local folder or ``bundled:shapes``.
        prompts: path or URI of the manifest; a path is relative to the folder of the job.
        output: folder or URI, relative to the folder of the job.

    Raises:
        UsageError: there is no such bundled model, ``prompts`` exists and is not a manifest, or there is no
            example in its format.
    """
    if model.startswith("bundled:") and model != BUNDLED:
        raise UsageError(f"--model {model}", "no such bundled model", BUNDLED)
    settings: dict[str, object] = {"path": model}
    if model != BUNDLED:
        settings["dtype"] = "bfloat16"
    name = model.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    content: dict[str, object] = {
        "manifest": prompts,
        "output": output,
        "samples": 1,
        "models": {name: settings},
    }
    if model != BUNDLED:
        content["metrics"] = ["flicker", "motion"]
    files = {job: _COMMENT.format(name=job) + yaml.safe_dump(content, sort_keys=False)}
    if local_path(prompts) is None:
        return Starter(files)
    # Normal, because a folder of the job that does not exist yet hides what .. leads to.
    manifest = Path(os.path.normpath(job.parent / prompts))
    if manifest.exists():
        find_source(str(manifest), Problems(str(manifest), LIMITS.problems), LIMITS)
    else:
        files[manifest] = _example(manifest, model)
    return Starter(files)


def _example(manifest: Path, model: str) -> str:
    """Example prompts in the format of a manifest that does not exist."""
    text = _EXAMPLE_PROMPTS[model == BUNDLED]
    match manifest.suffix:
        case ".txt":
            return text
        case ".csv":
            return f"prompt\n{text}"
        case _:
            expected = "a file that exists, or the name of a .txt or .csv file for example prompts"
            raise UsageError(f"--prompts {manifest}", "no such file", expected)


def demo(folder: Path) -> Starter:
    """The quickstart in a folder of its own: ``prompts.csv`` and ``job.yaml``; its output is ``output/``."""
    content = {
        "manifest": "prompts.csv",
        "output": "output",
        "samples": 2,
        "models": {"shapes": {"path": BUNDLED}},
        "metrics": ["clip_score", "clip_temporal"],
    }
    files = {
        folder / "prompts.csv": DEMO_PROMPTS,
        folder / "job.yaml": yaml.safe_dump(content, sort_keys=False),
    }
    return Starter(files)


def write(
    found: Starter, replace: Iterable[Path] = (), advice: str = "name another file, or use --force"
) -> None:
    """Write the files. Raises UsageError, with the advice, if one exists that is not in ``replace``."""
    allowed = set(replace)
    for path in found.files:
        if path.exists() and path not in allowed:
            raise UsageError(str(path), "a file that exists", "a new name", advice)
    for path, text in found.files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(str(path), reason, "a writable folder", "choose another folder") from None
