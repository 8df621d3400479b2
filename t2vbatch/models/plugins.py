"""Classes that generate: a diffusers pipeline by its name, any other class by ``module:Name``.

A plug-in is a class that is constructed with the job's model section and a device, ``Name(spec, device)``.
Its method ``generate`` (see protocol.VideoModel) returns a list with one entry for each request: frames,
their rate, and their sound if the model makes sound, ``Video(frames, 24.0, Audio(waveform, 48000))``; or the
frames alone, as an array, a tensor or Pillow images; or the path of a video file. These attributes of the
class are optional::

    CALL = {"num_frames": 16}   arguments that jobs and rows may set, with their defaults; without it, none
    FPS = 8.0                   frames per second, if the job does not set them
    REQUIRES = {"prompt"}       manifest columns that every row must have
    ACCEPTS = {"prompt"}        manifest columns that a row may have
    BATCHABLE = False           whether one call takes several requests
    NAME, VERSION               two texts in sample identities, in place of ``module:Name`` and the
                                digest of the source file: the class may then move, and its source may change,
                                without a new identity. Raise VERSION whenever the pixels change
    identity(spec)              a class method; canonical values of everything that decides the pixels, for a
                                class whose pixels depend on other files than its own source and ``path``

A package offers a plug-in under a short name by an entry point of the group ``t2vbatch.models``.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from inspect import getsourcefile
from pathlib import Path
from typing import Any

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.calls.modular import is_modular
from t2vbatch.models.calls.value_kinds import kinds_of
from t2vbatch.models.catalog import missing_backends
from t2vbatch.models.checkpoints.digests import file_digest, folder_digest
from t2vbatch.models.checkpoints.folders import PLUGINS
from t2vbatch.models.checkpoints.planned import check_planned
from t2vbatch.models.pipelines import PipelineInfo, diffusers_classes
from t2vbatch.models.protocol import ModelFacts


def find_pipeline(where: str, name: str) -> PipelineInfo | type:
    """What a name means: a pipeline, whose class need not be imported; or the class of a plug-in.

    Raises:
        ModelError: there is none, it cannot be imported, or a package for it is not installed.
    """
    name = name.removeprefix("diffusers:")
    if ":" not in name and not entry_points(group=PLUGINS, name=name):
        _check_installed(where, name)
        if name in (pipelines := diffusers_classes().pipelines):
            return pipelines[name]
        raise _unknown(where, name)
    found: Any = resolve_class(where, name)
    if not is_diffusers(found):
        plugin: type = found
        return plugin
    own = class_path(found)
    if own.startswith("diffusers:") and (known := diffusers_classes().pipelines.get(found.__name__)):
        return known
    read: PipelineInfo = import_module("t2vbatch.models.read_diffusers").read_pipeline(found)
    return read


def resolve_class(where: str, name: str) -> type:
    """The class with this name: ``module:Name``, an entry point, or a class of diffusers.

    Raises:
        ModelError: there is none, it cannot be imported, or a package for it is not installed.
    """
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            found = getattr(import_module(module), attribute)
        elif offered := entry_points(group=PLUGINS, name=name):
            found = next(iter(offered)).load()
        else:
            found = getattr(import_module("diffusers"), name, None)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            where, f"{name}, which cannot be imported ({error})", "package.module:Name"
        ) from error
    if not isinstance(found, type):
        raise _unknown(where, name) if found is None else _no_class(where, name, found)
    _check_installed(where, name)
    return found


def _check_installed(where: str, name: str) -> None:
    if missing := missing_backends(name):
        found = f"{name}, which needs {missing}; not installed on this machine"
        raise ModelError(where, found, fix=f"pip install {missing}")


def _no_class(where: str, name: str, found: Any) -> ModelError:
    kind = type(found).__name__
    expected = "a pipeline of diffusers, or a class with generate(requests)"
    return ModelError(where, f"{name}, which is a {kind} and not a class", expected)


def _unknown(where: str, name: str) -> ModelError:
    known = list(diffusers_classes().pipelines)
    expected = f"a pipeline of diffusers, or package.module:Name; {nearest(name, known)}"
    return ModelError(where, f"{name}, an unknown class", expected)


def is_diffusers(pipeline: type) -> bool:
    """Whether it is a pipeline of diffusers; any other class is a plug-in."""
    if is_modular(pipeline):
        return True
    # A pipeline's class has imported diffusers: without it, no class is one.
    diffusers = sys.modules.get("diffusers")
    return diffusers is not None and issubclass(pipeline, diffusers.DiffusionPipeline)


def class_path(pipeline: type) -> str:
    """``module:Name``, as in a job; a class of diffusers has the module ``diffusers``."""
    module = "diffusers" if pipeline.__module__.startswith("diffusers.") else pipeline.__module__
    return f"{module}:{pipeline.__qualname__}"


def plugin_facts(where: str, plugin: Any, spec: Model) -> ModelFacts:
    """The facts of a plug-in, from the attributes of its class."""
    if not callable(getattr(plugin, "generate", None)):
        raise ModelError(
            f"{where}.pipeline",
            f"{class_path(plugin)}, which has no method generate",
            "a pipeline of diffusers, or a class with generate(requests)",
        )
    call = dict(getattr(plugin, "CALL", {}))
    requires = frozenset(getattr(plugin, "REQUIRES", {"prompt"} if not hasattr(plugin, "ACCEPTS") else ()))
    return ModelFacts(
        identity=_identity(plugin, spec),
        parameters=frozenset(call),
        kinds={name: kinds_of(name, None, default) for name, default in call.items()},
        call=call,
        signature=call,
        requires=requires,
        accepts=frozenset(getattr(plugin, "ACCEPTS", requires)),
        fps=float(getattr(plugin, "FPS", 8.0)),
        batchable=bool(getattr(plugin, "BATCHABLE", False)),
        pipeline=class_path(plugin),
        frames_argument="num_frames" if "num_frames" in call else None,
    )


def check_plugin(plugin: Any, planned: Mapping[str, Any]) -> None:
    """Refuse a plug-in whose source is not that of the plan. Raises NodeError.

    Its ``path`` is not checked, because a plug-in may write there, such as a cache.

    Args:
        planned: the identity of the model in the plan.
    """
    if source := _code(plugin).get("source"):
        check_planned("pipeline", class_path(plugin), source, planned.get("source"))


def _identity(plugin: Any, spec: Model) -> Mapping[str, Any]:
    if hasattr(plugin, "identity"):
        return {**_code(plugin), **plugin.identity(spec)}
    settings = spec.model_dump(exclude={"path", "pipeline", "call", "fps", "batch", "frames"})
    return {**_code(plugin), "weights": _content(spec.path), **settings}


def _code(plugin: Any) -> dict[str, Any]:
    """What the class computes: its own name and version, or else its path and the digest of its source."""
    # Not inherited: a subclass computes something else.
    own = vars(plugin)
    name = own.get("NAME") or class_path(plugin)
    if version := own.get("VERSION"):
        return {"pipeline": name, "version": version}
    # A class with an identity of its own lists there what its pixels depend on.
    source = None if hasattr(plugin, "identity") else getsourcefile(plugin)
    return {"pipeline": name} | ({"source": file_digest(Path(source))} if source else {})


def _content(path: str) -> str:
    """Digest of the files at a local path; any other name, such as a Hub id, is its own identity."""
    place = Path(path).expanduser()
    if place.is_dir():
        names = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
        return folder_digest(place, names)
    return file_digest(place) if place.is_file() else path
