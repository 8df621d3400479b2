"""Which pipelines there are, what each takes and gives, and what is missing to run it here."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import diffusers
import yaml
from diffusers import DiffusionPipeline

from t2vbatch.errors import ModelError, nearest
from t2vbatch.models.calls.signature import FRAMES, read_signature
from t2vbatch.models.families import family

_DISTRIBUTIONS = {
    "auto_round": "auto-round",
    "cv2": "opencv-python-headless",
    "modelopt": "nvidia-modelopt",
    "optimum": "optimum-quanto",
}
"""Import name: what pip calls it, where that differs."""

_BACKENDS = {"opencv": "cv2"}
"""What diffusers calls a package: its import name, where that differs."""


@dataclass(frozen=True)
class PipelineCard:
    """One pipeline class, for people.

    Attributes:
        kind: what goes in and what comes out, such as ``text+image to video``.
        requires, accepts: manifest columns.
        frames: the frame counts that it can make, such as ``4k+1``.
        fps: frames per second of its files, where a job does not say.
        missing: packages to install before it runs here.
        call: its call's arguments that a job may set, with their defaults where they have one.
        single_file: whether its whole checkpoint may be one file, in its authors' layout.
    """

    name: str
    kind: str
    requires: tuple[str, ...]
    accepts: tuple[str, ...]
    frames: str
    fps: float
    missing: tuple[str, ...]
    call: Mapping[str, Any]
    single_file: bool

    def example(self) -> str:
        """A job file that runs it, given weights and a manifest."""
        shown = {name: self.call[name] for name in (*FRAMES, "num_inference_steps") if self.call.get(name)}
        for name in shown.keys() & set(FRAMES):
            # Not every default of diffusers is a count that its model can make.
            shown[name] = family(self.name).frames.nearest(shown[name])[0]
        model: dict[str, Any] = {"path": "path/or/hub-id", "pipeline": self.name, "call": shown}
        job = {"manifest": "prompts.csv", "output": "runs/example", "models": {"mine": model}}
        columns = ", ".join(self.requires)
        return f"# prompts.csv has the column(s) {columns}\n" + yaml.safe_dump(job, sort_keys=False)


def missing_packages(pipeline_name: str) -> tuple[str, ...]:
    """The packages, as pip names them, without which a pipeline does not run and which are not here."""
    required = read_signature(getattr(diffusers, pipeline_name)).requires
    needs = family(pipeline_name).needs
    return absent([need.package for need in needs if not need.columns or need.columns & required])


def missing_backends(found: Any) -> str:
    """What to install before a name of diffusers is more than a name here; empty where nothing is missing.

    Where a package is absent, diffusers has a class in the place of the real one that can do nothing.
    """
    return " ".join(absent([_BACKENDS.get(name, name) for name in getattr(found, "_backends", ())]))


def absent(packages: Iterable[str]) -> tuple[str, ...]:
    """Those of the packages, by import name, that are not here; as pip names them."""
    return tuple(_DISTRIBUTIONS.get(name, name) for name in packages if find_spec(name) is None)


def list_pipelines() -> tuple[PipelineCard, ...]:
    """A card for each video pipeline of the installed diffusers, by name."""
    return tuple(_card(name, pipeline) for name, pipeline in sorted(_video_pipelines().items()))


def describe_pipeline(name: str) -> PipelineCard:
    """The card of one pipeline. Raises ModelError with the nearest name where there is none."""
    known = _video_pipelines()
    if name not in known:
        raise ModelError(name, "no video pipeline of diffusers", nearest(name, list(known)))
    return _card(name, known[name])


@cache
def _video_pipelines() -> dict[str, type]:
    names = [name for name in dir(diffusers) if name.endswith("Pipeline")]
    classes = {name: getattr(diffusers, name) for name in names}
    return {name: found for name, found in classes.items() if gives_video(found)}


def gives_video(found: Any) -> bool:
    """Whether it has a number of frames to make, or its module has an output with frames."""
    if not (isinstance(found, type) and issubclass(found, DiffusionPipeline)) or found is DiffusionPipeline:
        return False
    if read_signature(found).frames or family(found.__name__).frames_from:
        return True
    outputs = [
        value
        for name, value in vars(inspect.getmodule(found)).items()
        if name.endswith("Output") and isinstance(value, type)
    ]
    return any("frames" in getattr(output, "__dataclass_fields__", {}) for output in outputs)


def _card(name: str, pipeline: type) -> PipelineCard:
    signature = read_signature(pipeline)
    row = family(name)
    default_fps = signature.defaults.get(signature.fps or "")
    inputs = [column for column in ("prompt", "image", "video", "control") if column in signature.requires]
    return PipelineCard(
        name=name,
        kind=f"{'+'.join(inputs) or 'latents'} to video".replace("prompt", "text"),
        requires=tuple(sorted(signature.requires)),
        accepts=tuple(sorted(signature.accepts)),
        frames=str(row.frames),
        fps=float(default_fps or row.fps),
        missing=missing_packages(name),
        call={name: signature.defaults.get(name) for name in sorted(signature.parameters)},
        single_file=hasattr(pipeline, "from_single_file"),
    )
