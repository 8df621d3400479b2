"""Reads the classes of the installed diffusers; as a program, it writes their table."""

import inspect
import json
import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline, ModularPipeline, SchedulerMixin

from t2vbatch.models.calls.modular import blocks_of, is_modular
from t2vbatch.models.calls.signature import read_signature
from t2vbatch.models.families import family
from t2vbatch.models.pipelines import DiffusersClasses, Kind, PipelineInfo, to_json
from t2vbatch.models.plugins import class_path

_BASES = (DiffusionPipeline, ModularPipeline)


def read_diffusers() -> dict[str, Any]:
    """Every public class of diffusers, as the JSON object of a DiffusersClasses."""
    names = [name for name in dir(diffusers) if not name.startswith("_")]
    found = {name: kind for name in names if isinstance(kind := getattr(diffusers, name), type)}
    classes = {name: kind for name, kind in found.items() if not hasattr(kind, "_backends")}
    kinds = {name: _kind(kind) for name, kind in sorted(classes.items())}
    return to_json(
        DiffusersClasses(
            pipelines={
                name: read_pipeline(classes[name])
                for name, kind in kinds.items()
                if kind == "pipeline" and name.endswith("Pipeline") and classes[name] is not ModularPipeline
            },
            kinds=kinds,
            single_file=frozenset(
                name
                for name, kind in kinds.items()
                if kind == "network" and loads_single_files(classes[name])
            ),
            schedulers={
                name: frozenset(inspect.signature(classes[name]).parameters) - {"kwargs"}
                for name, kind in kinds.items()
                if kind == "scheduler"
            },
            backends=_backends(),
        )
    )


def read_pipeline(pipeline: Any) -> PipelineInfo:
    """What is known of one pipeline class, also of one outside diffusers."""
    parts, optional = _parts(pipeline)
    video = gives_video(pipeline)
    return PipelineInfo(
        path=class_path(pipeline),
        video=video,
        single_file=hasattr(pipeline, "from_single_file"),
        parts=tuple(sorted(parts)),
        optional=tuple(sorted(optional)),
        # A class outside diffusers is taken at its word that it makes videos.
        signature=read_signature(pipeline) if video or not _is_exported(pipeline) else None,
        blocks=pipeline.default_blocks_name if is_modular(pipeline) else "",
    )


def _parts(pipeline: Any) -> tuple[Iterable[str], Iterable[str]]:
    """The parts of a class, and its constructor's optional arguments."""
    if not is_modular(pipeline):
        parts, optional = pipeline._get_signature_keys(pipeline)
        return parts, optional
    checker = ["safety_checker"] if hasattr(pipeline, "enable_safety_checker") else []
    return pipeline().pretrained_component_names, checker


def gives_video(found: Any) -> bool:
    """Whether a class makes videos: its call takes a frame count, or its module has an output with frames."""
    if _kind(found) != "pipeline" or found in _BASES:
        return False
    if is_modular(found):
        return "videos" in {output.name for output in blocks_of(found).outputs}
    if read_signature(found).frames or family(found.__name__).frames_from:
        return True
    outputs = [
        value
        for name, value in vars(inspect.getmodule(found)).items()
        if name.endswith("Output") and isinstance(value, type)
    ]
    return any("frames" in getattr(output, "__dataclass_fields__", {}) for output in outputs)


def loads_single_files(network: type) -> bool:
    """Whether diffusers can load this class of networks from a single file."""
    known: Any = import_module("diffusers.loaders.single_file_model").SINGLE_FILE_LOADABLE_CLASSES
    return any(base.__name__ in known for base in network.__mro__)


def _is_exported(pipeline: type) -> bool:
    return class_path(pipeline).startswith("diffusers:")


def _kind(found: type) -> Kind:
    if issubclass(found, DiffusionPipeline | ModularPipeline):
        return "pipeline"
    if issubclass(found, SchedulerMixin):
        return "scheduler"
    return "network" if issubclass(found, torch.nn.Module) else "other"


def _backends() -> Mapping[str, tuple[str, ...]]:
    """The packages of the classes that diffusers replaces by placeholders if a package is not installed."""
    utils: Any = import_module("diffusers.utils")
    modules = [name for _, name, _ in pkgutil.iter_modules(utils.__path__) if name.startswith("dummy_")]
    found: dict[str, tuple[str, ...]] = {}
    for module in sorted(modules):
        for name, kind in vars(import_module(f"diffusers.utils.{module}")).items():
            if isinstance(kind, type) and hasattr(kind, "_backends"):
                packages = sorted(set(kind._backends) - {"torch", "transformers"})
                found |= {name: tuple(packages)} if packages else {}
    return found


def main() -> None:
    """Write the table of the installed version."""
    folder = Path(__file__).parent / "tables"
    folder.mkdir(exist_ok=True)
    path = folder / f"diffusers-{diffusers.__version__}.json"
    path.write_text(json.dumps(read_diffusers(), indent=0, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
