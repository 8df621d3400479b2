"""The index of a checkpoint: the file that names its pipeline and the class of each part.

A checkpoint has ``model_index.json``; that of a modular pipeline has ``modular_model_index.json``, whose
parts may also come from other repositories. This module gives both in the form of the first, and parts from
elsewhere in the form of the job's ``components:``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2vbatch.job import Model
from t2vbatch.models.checkpoints.folders import INDEX, MODULAR_INDEX
from t2vbatch.models.checkpoints.sources import CheckpointFiles


def index_names(spec: Model) -> tuple[str, str]:
    """The names of a model's index, in order of preference."""
    modular = (spec.pipeline or "").endswith("ModularPipeline")
    return (MODULAR_INDEX, INDEX) if modular else (INDEX, MODULAR_INDEX)


def read_index(source: CheckpointFiles, spec: Model) -> dict[str, Any] | None:
    """The index, with ``[library, class]`` for each part; None if the checkpoint has no index."""
    index = _read(source, spec)
    return index and {name: _class(value) if _is_modular(value) else value for name, value in index.items()}


def outside_parts(source: CheckpointFiles, spec: Model) -> dict[str, dict[str, Any]]:
    """The parts that the index takes from another repository or folder, as entries of ``components:``."""
    found = {}
    for name, value in (_read(source, spec) or {}).items():
        if _is_modular(value) and _class(value)[1] and (place := _place(source, name, value[2])) is not None:
            found[name] = {"class": part_class(_class(value)), **place}
    return found


def part_class(part: Sequence[str]) -> str:
    """The class of a part of an index, as a job names it. Some pipelines have classes of their own."""
    library, name = part
    return name if library in ("diffusers", "transformers") else f"diffusers.pipelines.{library}:{name}"


def _read(source: CheckpointFiles, spec: Model) -> dict[str, Any] | None:
    found = (source.read_json(name) for name in index_names(spec))
    return next((index for index in found if index is not None), None)


def _is_modular(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[2], dict)


def _class(value: Sequence[Any]) -> list[Any]:
    """Library and class; both are None for a part that the checkpoint leaves out."""
    library, name, given = value
    if name is None and given.get("pretrained_model_name_or_path"):
        library, name = given.get("type_hint") or (None, None)
    return [library, name]


def _place(source: CheckpointFiles, name: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a part is; None for one in the checkpoint's own folder of this name, or for none at all.

    A copy of a checkpoint still names the repository that it was copied from.
    """
    path, folder = given.get("pretrained_model_name_or_path"), given.get("subfolder") or ""
    own = path == source.location if source.commit else (Path(source.location) / folder).is_dir() and folder
    if path is None or (own and folder == name):
        return None
    place = {"path": path, "revision": given.get("revision")}
    if own:
        place = {"path": source.location, "revision": source.commit}
    found = {**place, "subfolder": folder, "variant": given.get("variant")}
    return {key: value for key, value in found.items() if value}
