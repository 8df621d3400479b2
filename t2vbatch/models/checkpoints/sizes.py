"""Sizes of a model's weights: bytes in memory, and bytes still to download. Only headers are read.

This module also reports a network without readable weights at once; the libraries report it after minutes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import constants

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.checkpoint import Checkpoint, open_checkpoint
from t2vbatch.models.checkpoints.components import Component, find_components, is_network
from t2vbatch.models.checkpoints.header import local_header
from t2vbatch.models.checkpoints.hub import hub_reachable, hub_sizes
from t2vbatch.models.checkpoints.index import read_index
from t2vbatch.models.checkpoints.ip_adapters import find_adapter
from t2vbatch.models.checkpoints.loras import find_lora
from t2vbatch.models.checkpoints.single_file import SingleFile
from t2vbatch.models.checkpoints.sources import (
    PICKLES,
    WEIGHTS,
    CheckpointFiles,
    is_named_as_usual,
    loaded_files,
    local_files,
)
from t2vbatch.models.pipelines import PipelineInfo
from t2vbatch.models.plugins import find_pipeline
from t2vbatch.models.protocol import ModelFacts

NUMBER_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes of a number in memory, by the job's dtype."""


@dataclass(frozen=True)
class PartSize:
    """One part of a pipeline.

    Attributes:
        loaded_bytes: least bytes of its weights in memory.
        missing_bytes: bytes of its files that are not yet downloaded.
        repository: their repository on the Hub; empty for local files.
    """

    part: str
    loaded_bytes: int
    missing_bytes: int
    repository: str


def part_sizes(spec: Model, facts: ModelFacts) -> tuple[PartSize, ...]:
    """The size of every part of a diffusers pipeline that has weights.

    Raises:
        ModelError: a part has no weights that may be read, and they cannot be downloaded now.
    """
    checkpoint = open_checkpoint("", spec, facts.identity["weights"])
    components = find_components("", spec, checkpoint.source, facts.identity["components"])
    found = [
        _component(name, part, spec) for name, part in components.items() if part and is_network(part.kind)
    ]
    found += [*_loras(spec, facts.identity["loras"]), *_ip_adapter(spec, facts.identity.get("ip_adapter"))]
    if checkpoint.file is not None:
        return (_file(checkpoint.file.name, checkpoint.file, NUMBER_BYTES[spec.dtype]), *found)
    return (*_own(checkpoint, facts, spec, frozenset(components)), *found)


@dataclass(frozen=True)
class _Files:
    """The files of a checkpoint with their bytes; offline, the files in the Hub's cache."""

    source: CheckpointFiles
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, source: CheckpointFiles) -> "_Files":
        if source.commit is not None and (sizes := hub_sizes(source.location, source.commit)):
            return cls(source, sizes)
        root = _root(source)
        names = [] if root is None else local_files(root)
        return cls(source, {name: (Path(root or "") / name).stat().st_size for name in names})

    def weights(self, folder: str, variant: str | None) -> list[str]:
        """The files with the weights of a network whose files are in ``folder``."""
        try:
            read = loaded_files(self.sizes, variant)
        except LookupError:
            return []
        return [name for name in read if _is_weights_in(folder, name)]


def _own(checkpoint: Checkpoint, facts: ModelFacts, spec: Model, without: frozenset[str]) -> list[PartSize]:
    """The networks of the checkpoint itself that this pipeline uses, without those that the job replaces."""
    pipeline = find_pipeline("pipeline", facts.pipeline)
    index = read_index(checkpoint.source, spec) or {}
    used = pipeline.parts if isinstance(pipeline, PipelineInfo) else ()
    files = _Files.of(checkpoint.source)
    return [
        _folder("path", name, files, name, spec.variant, spec.dtype, spec.allow_pickle)
        for name in sorted(set(used) - without)
        if _is_network(index.get(name))
    ]


def _component(name: str, part: Component, spec: Model) -> PartSize:
    dtype = str(part.given.get("dtype", spec.dtype))
    if part.file is not None:
        return _file(name, part.file, NUMBER_BYTES[dtype])
    files, variant = _Files.of(part.source), part.given.get("variant")
    return _folder(f"{part.where}.path", name, files, part.subfolder, variant, dtype, spec.allow_pickle)


def _loras(spec: Model, planned: Sequence[Mapping[str, Any]]) -> Iterator[PartSize]:
    """Args: planned: the identities of the LoRAs; the commits in them are loaded."""
    for index, (given, identity) in enumerate(zip(spec.loras, planned, strict=True)):
        where, revision = f"loras[{index}]", identity["weights"].get("commit")
        file = find_lora(where, given, revision, spec.allow_pickle)
        yield _added(where, file, spec)


def _ip_adapter(spec: Model, planned: Mapping[str, Any] | None) -> Iterator[PartSize]:
    """The adapter, and its image encoder if the model has none of its own."""
    if planned is None:
        return
    found = find_adapter("ip_adapter", spec, planned["weights"].get("commit"))
    yield _added("ip_adapter", found.file, spec)
    if "image_encoder" in planned:
        files = _Files.of(found.file.source)
        yield _folder(
            "ip_adapter.path", "image_encoder", files, found.encoder, None, spec.dtype, spec.allow_pickle
        )


def _added(name: str, file: SingleFile, spec: Model) -> PartSize:
    """Weights beside those of the model. They may keep the smaller numbers of their file."""
    own, file_bytes = _file(name, file, NUMBER_BYTES[spec.dtype]), _file_bytes(file)
    return replace(own, loaded_bytes=min(own.loaded_bytes, file_bytes))


def _folder(
    where: str,
    name: str,
    files: _Files,
    folder: str,
    variant: str | None,
    dtype: str,
    allow_pickle: bool,
) -> PartSize:
    weights = files.weights(folder, variant)
    safe = [file for file in weights if PurePosixPath(file).suffix not in PICKLES]
    if not weights:
        raise _no_weights(where, name, files, folder)
    if not safe and not allow_pickle:
        raise ModelError(
            where,
            f"{files.source.location}, whose {name} is a pickle, which can run any code when it is loaded",
            "safetensors",
            "use another revision or variant, or set allow_pickle: true if you trust the checkpoint",
        )
    return _sum(
        name, files.source, {file: files.sizes[file] for file in safe or weights}, NUMBER_BYTES[dtype]
    )


def _file(name: str, file: SingleFile, number_bytes: int) -> PartSize:
    return _sum(name, file.source, {file.name: _file_bytes(file)}, number_bytes)


def _file_bytes(file: SingleFile) -> int:
    path, at = file.cached(), file.source
    return path.stat().st_size if path else hub_sizes(at.location, str(at.commit)).get(file.name, 0)


def _sum(name: str, source: CheckpointFiles, files: Mapping[str, int], number_bytes: int) -> PartSize:
    here = {file: SingleFile(source, file).cached() for file in files}
    loaded = sum(_loaded(here[file], file, size, number_bytes) for file, size in files.items())
    missing = sum(size for file, size in files.items() if here[file] is None)
    return PartSize(name, loaded, missing, source.location if source.commit else "")


def _loaded(path: Path | None, name: str, size: int, number_bytes: int) -> int:
    """Bytes in memory: exact if the header is on this machine, else the least."""
    if path is not None and name.endswith(".safetensors"):
        return sum(tensor.count for tensor in local_header(path).values()) * number_bytes
    # The dtype in the file is unknown: if it holds 4-byte numbers, 2-byte numbers take half its size.
    return size if name.lower().endswith(".gguf") else size * number_bytes // 4


def _is_weights_in(folder: str, name: str) -> bool:
    path = PurePosixPath(name)
    return path.parent == PurePosixPath(folder) and path.suffix in WEIGHTS and is_named_as_usual(name)


def _root(source: CheckpointFiles) -> Path | None:
    if source.commit is None:
        return Path(source.location)
    folder = f"models--{source.location.replace('/', '--')}/snapshots/{source.commit}"
    root = Path(constants.HF_HUB_CACHE) / folder
    return root if root.is_dir() else None


def _is_network(entry: Any) -> bool:
    """Whether an entry of ``model_index.json`` is a part with weights, of diffusers or transformers."""
    library, name = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    return library in ("diffusers", "transformers") and isinstance(name, str) and is_network(name)


def _no_weights(where: str, name: str, files: _Files, folder: str) -> ModelError:
    source = files.source
    if source.commit is None or hub_reachable():
        others = [file for file in files.sizes if _is_weights_in(folder, file)]
        found = f"{source.location}, which has no weights of this variant for its {name}"
        fix = f"set variant: to the variant of {others[0]}" if others else ""
        return ModelError(where, found, "a complete checkpoint", fix)
    why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "the Hub does not answer"
    return ModelError(
        where,
        f"{source.location}; the cache does not have the weights of its {name}, and {why}",
        "a complete checkpoint",
        f"download it with `hf download {source.location}` on a machine with a network",
    )
