"""LoRAs: finds their files, identifies them, and adds them to a pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.planned import check_planned
from t2vbatch.models.checkpoints.single_file import SingleFile, is_single_file, open_file, refuse_pickle
from t2vbatch.models.checkpoints.sources import open_source

KEYS = frozenset({"path", "file", "weight", "name", "revision"})

_FILE = "pytorch_lora_weights.safetensors"


def check_lora(where: str, given: Mapping[str, Any]) -> None:
    """Refuse an entry of ``loras:`` with unknown, missing or wrong keys. Raises ModelError."""
    for key in given:
        if key not in KEYS:
            raise ModelError(f"{where}.{key}", "an unknown key", nearest(key, KEYS))
    if not isinstance(given.get("path"), str):
        raise ModelError(where, "no path", "{path: ..., weight: 1.0}")
    if "file" in given and is_single_file(given["path"]):
        raise ModelError(
            f"{where}.file",
            f"{given['file']}, while path names the file {given['path']}",
            "the file in one of the two keys",
            "remove file:, or name the folder in path:",
        )


def lora_identity(where: str, given: Mapping[str, Any], allow_pickle: bool) -> dict[str, Any]:
    """Everything that decides the effect of a LoRA. Raises ModelError if its file does not exist."""
    file = find_lora(where, given, given.get("revision"), allow_pickle)
    return {"weight": float(given.get("weight", 1.0)), "weights": file.identity()}


def add_loras(pipeline: Any, spec: Model, planned: list[Mapping[str, Any]]) -> None:
    """Add the job's LoRAs to a pipeline.

    Args:
        planned: their identities in the plan; the commits in them are loaded.

    Raises:
        ModelError: a file is missing, or has no effect on this pipeline.
        NodeError: a local file is not that of the plan.
    """
    if not spec.loras:
        return
    if not hasattr(pipeline, "load_lora_weights"):
        name = type(pipeline).__name__
        raise ModelError(
            "loras", f"{len(spec.loras)} LoRA(s) for {name}, which takes none", fix="remove the key"
        )
    weights = {}
    for index, (given, identity) in enumerate(zip(spec.loras, planned, strict=True)):
        name, where = str(given.get("name", f"lora{index}")), f"loras[{index}]"
        revision = identity["weights"].get("commit", given.get("revision"))
        file = find_lora(where, given, revision, spec.allow_pickle)
        check_planned(f"{where}.path", given["path"], file.identity(), identity["weights"])
        _add(pipeline, where, file.fetched(f"{where}.path"), name)
        weights[name] = float(given.get("weight", 1.0))
    pipeline.set_adapters(list(weights), list(weights.values()))


def find_lora(where: str, given: Mapping[str, Any], revision: str | None, allow_pickle: bool) -> SingleFile:
    """The file of an entry of ``loras:``. Raises ModelError."""
    key, path, name = f"{where}.path", given["path"], str(given.get("file", _FILE))
    if is_single_file(path):
        return open_file(key, path, revision, allow_pickle)
    refuse_pickle(f"{where}.file", name, allow_pickle)
    return SingleFile(open_source(key, path, revision, name), name)


def _add(pipeline: Any, where: str, file: Path, name: str) -> None:
    """Load one LoRA. diffusers ignores weights without a matching layer, so the layers are checked."""
    try:
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
    except (AttributeError, KeyError, ValueError, RuntimeError) as error:
        kind = type(pipeline).__name__
        raise ModelError(where, f"{file}, which {kind} cannot load: {error}") from error
    reached = {adapter for adapters in pipeline.get_list_adapters().values() for adapter in adapters}
    if name not in reached:
        raise ModelError(
            where,
            f"{file}, which matches no layer of {type(pipeline).__name__}",
            "a LoRA that was trained for this model",
        )
