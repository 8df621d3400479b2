"""How many bytes a model's weights have: in memory, and still to be fetched. Only headers are read.

Owns noticing that a network has no weights that may be read; libraries say so after minutes of loading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import diffusers
import torch
import transformers
from huggingface_hub import constants

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.checkpoint import Checkpoint, open_checkpoint
from t2vbatch.models.components import Component, find_components
from t2vbatch.models.folders import INDEX
from t2vbatch.models.header import local_header
from t2vbatch.models.hub import cached_file, hub_reachable, hub_sizes
from t2vbatch.models.plugins import resolve_class
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.models.single_file import SingleFile
from t2vbatch.models.sources import PICKLES, WEIGHTS, Source, loaded_files, local_files

NUMBER_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""What a number takes in memory, by the job's dtype."""


@dataclass(frozen=True)
class PartSize:
    """One part of a pipeline.

    Attributes:
        loaded_bytes: what its weights take in memory at least.
        missing_bytes: what of their files is still on the hub.
        repository: where on the hub they are; empty for local files.
    """

    part: str
    loaded_bytes: int
    missing_bytes: int
    repository: str


def part_sizes(spec: Model, facts: ModelFacts) -> tuple[PartSize, ...]:
    """Every part of a diffusers pipeline that has weights.

    Raises:
        ModelError: a part has no weights here that may be read, and they cannot be had now.
    """
    checkpoint = open_checkpoint("", spec, facts.identity["weights"])
    components = find_components("", spec, checkpoint.source, facts.identity["components"])
    found = [
        _component(name, part, spec) for name, part in components.items() if part and _is_network(part.kind)
    ]
    if checkpoint.file is not None:
        return (_file(checkpoint.file.name, checkpoint.file, NUMBER_BYTES[spec.dtype]), *found)
    return (*_own(checkpoint, facts, spec, frozenset(components)), *found)


def _own(checkpoint: Checkpoint, facts: ModelFacts, spec: Model, without: frozenset[str]) -> list[PartSize]:
    """The networks of the checkpoint itself that this pipeline uses."""
    pipeline: Any = resolve_class("pipeline", facts.pipeline)
    index = checkpoint.source.read_json(INDEX) or {}
    used, _ = pipeline._get_signature_keys(pipeline)
    listed = _listed(checkpoint.source)
    return [
        _folder("path", name, checkpoint.source, listed, name, spec, spec.variant, spec.dtype)
        for name in sorted(set(used) - without)
        if isinstance(index.get(name), list) and _is_network(_named(*index[name]))
    ]


def _component(name: str, part: Component, spec: Model) -> PartSize:
    dtype = str(part.given.get("dtype", spec.dtype))
    if part.file is not None:
        return _file(name, part.file, NUMBER_BYTES[dtype])
    variant, where = part.given.get("variant"), f"{part.where}.path"
    return _folder(where, name, part.source, _listed(part.source), part.subfolder, spec, variant, dtype)


def _folder(
    where: str,
    name: str,
    source: Source,
    listed: Mapping[str, int],
    folder: str,
    spec: Model,
    variant: str | None,
    dtype: str,
) -> PartSize:
    inside = [file for file in loaded_files(listed, variant) if PurePosixPath(file).is_relative_to(folder)]
    weights = [file for file in inside if PurePosixPath(file).suffix in WEIGHTS]
    safe = [file for file in weights if PurePosixPath(file).suffix not in PICKLES]
    if not weights:
        others = [file for file in listed if PurePosixPath(file).is_relative_to(folder)]
        raise _no_weights(
            where, name, source, [file for file in others if PurePosixPath(file).suffix in WEIGHTS]
        )
    if not safe and not spec.allow_pickle:
        raise ModelError(
            where,
            f"{source.location}, whose {name} is a pickle: a program that runs when it is read",
            "safetensors",
            "take another revision or variant, or write allow_pickle: true where you trust it",
        )
    return _sum(name, source, {file: listed[file] for file in safe or weights}, NUMBER_BYTES[dtype])


def _file(name: str, file: SingleFile, number_bytes: int) -> PartSize:
    listed = _listed(file.source)
    return _sum(name, file.source, {file.name: listed.get(file.name, 0)}, number_bytes)


def _sum(name: str, source: Source, files: Mapping[str, int], number_bytes: int) -> PartSize:
    here = {file: _here(source, file) for file in files}
    loaded = sum(_loaded(here[file], file, size, number_bytes) for file, size in files.items())
    missing = sum(size for file, size in files.items() if here[file] is None)
    return PartSize(name, loaded, missing, source.location if source.commit else "")


def _loaded(path: Path | None, name: str, size: int, number_bytes: int) -> int:
    """Bytes in memory, exactly where a header tells; else at least."""
    if path is not None and name.endswith(".safetensors"):
        return sum(tensor.count for tensor in local_header(path).values()) * number_bytes
    # Nobody knows the type of the numbers in there: four bytes each, where two are asked for, become half.
    return size if name.lower().endswith(".gguf") else size * number_bytes // 4


def _listed(source: Source) -> dict[str, int]:
    """The files of a checkpoint with their bytes; offline, those of the cache."""
    if source.commit is not None and (sizes := hub_sizes(source.location, source.commit)):
        return dict(sizes)
    root = _root(source)
    return {name: (root / name).stat().st_size for name in local_files(root)} if root is not None else {}


def _root(source: Source) -> Path | None:
    if source.commit is None:
        return Path(source.location)
    folder = f"models--{source.location.replace('/', '--')}/snapshots/{source.commit}"
    root = Path(constants.HF_HUB_CACHE) / folder
    return root if root.is_dir() else None


def _here(source: Source, name: str) -> Path | None:
    if source.commit is None:
        return Path(source.location) / name
    return cached_file(source.location, source.commit, name)


def _named(library: str | None, name: str | None) -> Any:
    return getattr(transformers if library == "transformers" else diffusers, name or "", None)


def _is_network(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


def _no_weights(where: str, name: str, source: Source, others: Sequence[str]) -> ModelError:
    """Nothing that would be loaded; ``others`` are weights of that part which would not be."""
    if source.commit is None or hub_reachable():
        found = f"{source.location}, whose {name} has no weights of this variant"
        fix = f"name the variant of {others[0]} with variant:" if others else ""
        return ModelError(where, found, "a whole checkpoint", fix)
    why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "the hub cannot be reached"
    return ModelError(
        where,
        f"{source.location}, of which the cache holds no weights of {name}, and {why}",
        "a whole checkpoint",
        f"fetch it with `hf download {source.location}` where there is a network",
    )
