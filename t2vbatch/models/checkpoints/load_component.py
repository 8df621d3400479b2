"""Loads one part of a pipeline with its weights, from a folder or from a single file."""

from typing import Any

import torch
import transformers
from diffusers import GGUFQuantizationConfig

from t2vbatch.errors import ModelError
from t2vbatch.models.checkpoints.components import Component
from t2vbatch.models.checkpoints.hub import hub_options
from t2vbatch.models.checkpoints.single_file import SingleFile
from t2vbatch.models.checkpoints.single_file_weights import MISFITS, reason
from t2vbatch.models.plugins import resolve_class


def load_component(part: Component, dtype: torch.dtype, allow_pickle: bool, quantization: Any = None) -> Any:
    """The part with its weights.

    Args:
        dtype: dtype of the weights and the arithmetic; unused for a part without weights.
        quantization: the quantization config of diffusers or transformers, or None.

    Raises:
        ModelError: the file does not hold weights of the class.
        Exception: any error of the library that loads the part.
    """
    kind = component_class(part.where, part.kind)
    if part.file is not None:
        return _from_file(part, kind, part.file, dtype, quantization)
    options: dict[str, Any] = {"subfolder": part.subfolder, **hub_options(part.source.commit)}
    if issubclass(kind, torch.nn.Module):
        options |= {"dtype": dtype, "use_safetensors": None if allow_pickle else True}
        options |= {"variant": part.given["variant"]} if "variant" in part.given else {}
        options |= {"quantization_config": quantization} if quantization is not None else {}
    return kind.from_pretrained(part.source.location, **options)


def _from_file(part: Component, kind: Any, file: SingleFile, dtype: torch.dtype, quantization: Any) -> Any:
    if file.quantized:
        quantization = GGUFQuantizationConfig(compute_dtype=dtype)
    config = part.config_file().parent
    name = f"{file.name}, as {kind.__name__} with the config in {part.source.location}"
    try:
        return kind.from_single_file(
            str(file.fetched(f"{part.where}.path")),
            config=str(config),
            dtype=dtype,
            quantization_config=quantization,
            local_files_only=True,
        )
    except MISFITS as error:
        raise ModelError(
            f"{part.where}.path",
            f"{name}: {reason(error)}",
            f"a file with the weights of {kind.__name__}",
            "name the file's own config with config:",
        ) from error


def component_class(where: str, name: str) -> Any:
    """The class of a component: of diffusers, of transformers, or ``module:Name``. Raises ModelError."""
    if ":" not in name and isinstance(found := getattr(transformers, name, None), type):
        return found
    return resolve_class(where, name)
