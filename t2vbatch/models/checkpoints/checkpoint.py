"""The checkpoint that ``models.NAME.path`` names: a folder in diffusers' layout, or a single file."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub as hf

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.folders import INDEX
from t2vbatch.models.checkpoints.hub import hub_reachable
from t2vbatch.models.checkpoints.index import index_names
from t2vbatch.models.checkpoints.planned import check_planned
from t2vbatch.models.checkpoints.single_file import SingleFile, is_single_file, open_config, open_file
from t2vbatch.models.checkpoints.sources import CheckpointFiles, open_source

_CONFIGS = ["*.json", "*.txt", "*.model"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a model's files are.

    Attributes:
        source: its folder or repository; for a single file, the checkpoint whose configs describe the file.
        file: the single file of weights, or None.
    """

    source: CheckpointFiles
    file: SingleFile | None = None

    @property
    def commit(self) -> str | None:
        """Commit of the Hub repository that ``path`` names; None for local files."""
        return self.source.commit if self.file is None else self.file.source.commit

    def identity(self, variant: str | None) -> dict[str, Any]:
        """Identity of the content, independent of its path."""
        source = self.source.identity(variant)
        return source if self.file is None else self.file.identity() | {"config": source}

    def configs(self) -> Path:
        """A local folder with the configs of every part."""
        if self.source.commit is None:
            return Path(self.source.location)
        folder = hf.snapshot_download(
            self.source.location,
            revision=self.source.commit,
            allow_patterns=_CONFIGS,
            local_files_only=not hub_reachable(),
        )
        return Path(folder)


def open_checkpoint(prefix: str, spec: Model, pins: Any = None) -> Checkpoint:
    """Find a model's files.

    Args:
        prefix: prefix of the model's keys in messages: ``models.NAME.``, or empty.
        pins: the identity of its weights in a plan; its commits are used again. None: no plan yet.

    Raises:
        ModelError: the files do not exist, or the job sets a key that only a folder supports.
    """
    pins = pins or {}
    revision = pins.get("commit", spec.revision)
    if not is_single_file(spec.path):
        if spec.config is not None:
            raise ModelError(
                f"{prefix}config",
                f"a config for {spec.path}, which is not a single file",
                "a config only for a single file of weights",
                "remove the key",
            )
        return Checkpoint(_open_folder(f"{prefix}path", spec, revision))
    _check_single_file(prefix, spec)
    file = open_file(f"{prefix}path", spec.path, revision, spec.allow_pickle)
    commit = pins.get("config", {}).get("commit")
    source, _ = open_config(prefix, spec.path, file, spec.config, commit, [INDEX])
    return Checkpoint(source, file)


def _open_folder(where: str, spec: Model, revision: str | None) -> CheckpointFiles:
    """The folder or repository, by whichever index it has."""
    first, second = index_names(spec)
    try:
        return open_source(where, spec.path, revision, first)
    except ModelError:
        with contextlib.suppress(ModelError):
            return open_source(where, spec.path, revision, second)
        raise


def planned_checkpoint(spec: Model, planned: Mapping[str, Any]) -> Checkpoint:
    """The files that a worker loads. Raises NodeError if local files are not those of the plan.

    Args:
        planned: the identity of the weights in the plan.
    """
    checkpoint = open_checkpoint("", spec, planned)
    check_planned("path", spec.path, checkpoint.identity(spec.variant), planned)
    return checkpoint


def _check_single_file(prefix: str, spec: Model) -> None:
    if spec.path.lower().endswith(".gguf"):
        raise ModelError(
            f"{prefix}path",
            f"{spec.path}, which holds only one network",
            "a complete checkpoint",
            f"name the model here, and the file as {prefix}components.transformer: {{class: ..., path: ...}}",
        )
    if spec.variant is not None:
        raise ModelError(
            f"{prefix}variant",
            f"a variant for {spec.path}, which is a single file",
            "a variant only for a folder or repository",
            "remove the key",
        )
    if "quantization" in spec.speed:
        raise ModelError(
            f"{prefix}speed.quantization",
            f"quantization for {spec.path}, which is a single file; diffusers cannot quantize it",
            "a model in diffusers' layout, or GGUF files of its networks under components:",
        )
