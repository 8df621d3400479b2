"""Loads the weights of a single file: of a whole pipeline, by diffusers' own conversion."""

from collections.abc import Mapping
from typing import Any

from diffusers.loaders.single_file_utils import (
    SingleFileComponentError,
    is_clip_model_in_single_file,
    is_t5_in_single_file,
)

from t2vbatch.errors import ModelError
from t2vbatch.models.checkpoints.checkpoint import Checkpoint
from t2vbatch.models.checkpoints.single_file import SingleFile, header

MISFITS = (AttributeError, KeyError, ValueError, RuntimeError, OSError, SingleFileComponentError)
"""The errors of diffusers for a file that does not hold the weights of a class."""


def from_single_file(
    pipeline: Any, checkpoint: Checkpoint, file: SingleFile, dtype: Any, parts: Mapping[str, Any]
) -> Any:
    """The pipeline with the weights of ``file``; ``parts`` replace the file's own parts.

    Raises:
        ModelError: the file lacks a part of the pipeline, or belongs to another pipeline.
    """
    options = {"config": str(checkpoint.configs()), "dtype": dtype, "local_files_only": True}
    try:
        return pipeline.from_single_file(str(file.fetched("path")), **options, **parts)
    except MISFITS as error:
        raise ModelError(
            "path",
            f"{file.name}, with the configs in {checkpoint.source.location}: {reason(error)}",
            f"a complete checkpoint of {pipeline.__name__}",
            "name the right configs with config:, and list parts from other files under components:",
        ) from error


def holds(checkpoint: Checkpoint, encoder: type) -> bool:
    """Whether a single file has the weights of an encoder of this class; True if its header is unknown."""
    if checkpoint.file is None or not (names := header(checkpoint.file)):
        return True
    return bool(is_clip_model_in_single_file(encoder, names) or is_t5_in_single_file(names))


def reason(error: Exception) -> str:
    """Why diffusers could not load a file, in one line."""
    said = str(error).strip().partition("\n")[0]
    # diffusers notices missing weights only when it moves them to a device.
    return "some weights are missing" if "meta tensor" in said else said or type(error).__name__
