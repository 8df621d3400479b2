"""The catalog of video pipelines: what each one takes and returns, and which packages it lacks here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import yaml

from t2vbatch.errors import ModelError, similar
from t2vbatch.manifest.columns import CONTENT
from t2vbatch.models.calls.signature import FRAMES
from t2vbatch.models.families import family
from t2vbatch.models.pipelines import PipelineInfo, diffusers_classes

_DISTRIBUTIONS = {
    "auto_round": "auto-round",
    "cv2": "opencv-python-headless",
    "modelopt": "nvidia-modelopt",
    "optimum": "optimum-quanto",
}
"""Import name: its name for pip, if the two differ."""

_BACKENDS = {"opencv": "cv2"}
"""Name of a package in diffusers: its import name, if the two differ."""


_ARRAY_FILE = "a .npy file, or of a .safetensors file with one tensor"


@dataclass(frozen=True)
class PipelineCard:
    """What a user needs to know about one pipeline class.

    Attributes:
        kind: its inputs and its output, such as ``text+image to video``.
        requires, accepts: manifest columns.
        fills: column of media: the argument of the call that it becomes.
        frames: the frame counts that it can make, such as ``4k+1``.
        fps: frames per second of its files, if the job does not set them.
        arrays: columns that may name a file with an array.
        replaced_by: required column: the column of arrays that a row may have in its place.
        missing: packages to install before it runs on this machine.
        call: the arguments of its call that a job may set, with their defaults or None.
        single_file: whether it can be loaded from a single file in its authors' layout.
    """

    name: str
    kind: str
    requires: tuple[str, ...]
    accepts: tuple[str, ...]
    fills: Mapping[str, str]
    arrays: tuple[str, ...]
    replaced_by: Mapping[str, str]
    frames: str
    fps: float
    missing: tuple[str, ...]
    call: Mapping[str, Any]
    single_file: bool

    def example(self) -> str:
        """A job file that runs it, once the weights and the manifest exist."""
        shown = {name: self.call[name] for name in (*FRAMES, "num_inference_steps") if self.call.get(name)}
        for name in shown.keys() & set(FRAMES):
            # Some defaults of diffusers are counts that the model cannot make.
            shown[name] = family(self.name).frames.nearest(shown[name])[0]
        model: dict[str, Any] = {"path": "path/or/hub-id", "pipeline": self.name, "call": shown}
        job = {"manifest": "prompts.csv", "output": "runs/example", "models": {"mine": model}}
        # A row needs a prompt, an image or a video, whatever the model reads.
        needed = self.requires if {*CONTENT} & {*self.requires} else ("prompt", *self.requires)
        lines = [f"# prompts.csv has the column{'s' if len(needed) > 1 else ''} {', '.join(needed)}"]
        lines += [f"# {name}: the path of {_ARRAY_FILE}" for name in needed if name in self.arrays]
        lines += [
            f"# instead of {column}: prompt and {array}, the path of {_ARRAY_FILE}"
            for column, array in self.replaced_by.items()
        ]
        return "\n".join([*lines, yaml.safe_dump(job, sort_keys=False)])


def missing_packages(pipeline_name: str) -> tuple[str, ...]:
    """The packages that a pipeline needs and that are not installed, by their names for pip."""
    required = diffusers_classes().pipelines[pipeline_name].call.requires
    needs = family(pipeline_name).needs
    return absent([need.package for need in needs if not need.columns or need.columns & required])


def missing_backends(name: str) -> str:
    """The packages to install before a class of diffusers can be used; empty if none is missing."""
    needed = diffusers_classes().backends.get(name, ())
    return " ".join(absent([_BACKENDS.get(package, package) for package in needed]))


def absent(packages: Iterable[str]) -> tuple[str, ...]:
    """The packages that are not installed: import names in, names for pip out."""
    return tuple(_DISTRIBUTIONS.get(name, name) for name in packages if find_spec(name) is None)


def list_pipelines() -> tuple[PipelineCard, ...]:
    """A card for each video pipeline of the installed diffusers, by name."""
    return tuple(_card(info) for _, info in sorted(_video_pipelines().items()))


def describe_pipeline(name: str) -> PipelineCard:
    """The card of one pipeline. Raises ModelError, with the nearest name, for an unknown pipeline."""
    known = _video_pipelines()
    if name not in known:
        expected = similar(name, known) or "the name of a class, such as WanPipeline"
        raise ModelError(name, "not a video pipeline of diffusers", expected, "t2vbatch models lists them")
    return _card(known[name])


def _video_pipelines() -> dict[str, PipelineInfo]:
    return {name: info for name, info in diffusers_classes().pipelines.items() if info.video}


def _card(info: PipelineInfo) -> PipelineCard:
    signature, row = info.call, family(info.name)
    default_fps = signature.defaults.get(signature.fps or "")
    inputs = [column for column in ("prompt", "image", "video", "control") if column in signature.requires]
    return PipelineCard(
        name=info.name,
        kind=f"{'+'.join(inputs) or 'latents'} to video".replace("prompt", "text"),
        requires=tuple(sorted(signature.requires)),
        accepts=tuple(sorted(signature.accepts)),
        fills=dict(sorted(signature.media.items())),
        arrays=tuple(sorted(signature.arrays)),
        replaced_by={
            column: array for column, array in signature.replaced_by.items() if column in signature.requires
        },
        frames=str(row.frames),
        fps=float(default_fps or row.fps),
        missing=missing_packages(info.name),
        call={name: signature.defaults.get(name) for name in sorted(signature.parameters)},
        single_file=info.single_file,
    )
