"""LoRAs: finding their files, identifying them, and laying them on a pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.single_file import SingleFile, is_single_file, open_file, refuse_pickle
from t2vbatch.models.checkpoints.sources import open_source

KEYS = frozenset({"path", "file", "weight", "name", "revision"})

_FILE = "pytorch_lora_weights.safetensors"


def check_lora(where: str, given: Mapping[str, Any]) -> None:
    """Refuse an entry of ``loras:`` that cannot be understood. Raises ModelError."""
    for key in given:
        if key not in KEYS:
            raise ModelError(f"{where}.{key}", "an unknown key", nearest(key, KEYS))
    if not isinstance(given.get("path"), str):
        raise ModelError(where, "no path", "{path: ..., weight: 1.0}")
    if "file" in given and is_single_file(given["path"]):
        raise ModelError(f"{where}.file", "a file beside a path that is one", "one of them")


def lora_identity(where: str, given: Mapping[str, Any], allow_pickle: bool) -> dict[str, Any]:
    """All that decides what a LoRA does. Raises ModelError when it is not there."""
    file = _find(where, given, given.get("revision"), allow_pickle)
    return {"weight": float(given.get("weight", 1.0)), "weights": file.identity()}


def add_loras(pipeline: Any, spec: Model, planned: list[Mapping[str, Any]]) -> None:
    """Lay the job's LoRAs on a pipeline.

    Args:
        planned: their identities, whose commits are meant.

    Raises:
        ModelError: one is gone, or does nothing to this pipeline.
    """
    if not spec.loras:
        return
    if not hasattr(pipeline, "load_lora_weights"):
        raise ModelError("loras", f"{len(spec.loras)} of them", "none: this pipeline takes no LoRA")
    weights = {}
    for index, (given, identity) in enumerate(zip(spec.loras, planned, strict=True)):
        name, where = str(given.get("name", f"lora{index}")), f"loras[{index}]"
        revision = identity["weights"].get("commit", given.get("revision"))
        file = _find(where, given, revision, spec.allow_pickle)
        _add(pipeline, where, file.fetched(f"{where}.path"), name)
        weights[name] = float(given.get("weight", 1.0))
    pipeline.set_adapters(list(weights), list(weights.values()))


def _find(where: str, given: Mapping[str, Any], revision: str | None, allow_pickle: bool) -> SingleFile:
    key, path, name = f"{where}.path", given["path"], str(given.get("file", _FILE))
    if is_single_file(path):
        return open_file(key, path, revision, allow_pickle)
    refuse_pickle(f"{where}.file", name, allow_pickle)
    return SingleFile(open_source(key, path, revision, name), name)


def _add(pipeline: Any, where: str, file: Path, name: str) -> None:
    """Diffusers passes over keys that fit nowhere; an adapter that reached no layer is refused."""
    try:
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
    except (AttributeError, KeyError, ValueError, RuntimeError) as error:
        kind = type(pipeline).__name__
        raise ModelError(where, f"{file}, which {kind} cannot take: {error}") from error
    reached = {adapter for adapters in pipeline.get_list_adapters().values() for adapter in adapters}
    if name not in reached:
        raise ModelError(where, f"{file}, which changes no layer of this pipeline", "a LoRA made for it")
