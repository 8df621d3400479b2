"""The key ``speed.quantization``: which parts are quantized and how, ``{part: {class: ..., its options}}``.

The classes are those of diffusers, such as BitsAndBytesConfig; a part from transformers gets the class of the
same name from transformers. GGUF files are already quantized; a job lists them under ``components:``.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import diffusers
import torch
import transformers

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.catalog import absent

_PACKAGES = {
    "AutoRoundConfig": "auto_round",
    "BitsAndBytesConfig": "bitsandbytes",
    "NVIDIAModelOptConfig": "modelopt",
    "QuantoConfig": "optimum",
    "SDNQConfig": "sdnq",
    "TorchAoConfig": "torchao",
}
"""Class: import name of the package that it needs."""


def quantization(prefix: str, spec: Model, index: Mapping[str, Any]) -> dict[str, Any]:
    """The quantization config for each part that the job names, as its library takes it.

    Args:
        prefix: prefix of the model's keys in messages: ``models.NAME.``, or empty.
        index: the model's ``model_index.json``, with the library of each part.

    Raises:
        ModelError: an unknown part, class or option, or a package that is not installed.
    """
    asked, key = spec.speed.get("quantization", {}), f"{prefix}speed.quantization"
    if not isinstance(asked, dict):
        raise ModelError(key, repr(asked), "{part: {class: ..., its options}}")
    libraries = _libraries(spec, index)
    for part in asked:
        if part not in libraries:
            known = nearest(part, list(libraries))
            raise ModelError(f"{key}.{part}", "an unknown part of this model", known)
        if str((spec.components.get(part) or {}).get("path")).lower().endswith(".gguf"):
            raise ModelError(
                f"{key}.{part}", "a part from a GGUF file, which is already quantized", fix="remove the key"
            )
    return {part: _config(f"{key}.{part}", value, libraries[part]) for part, value in asked.items()}


def _libraries(spec: Model, index: Mapping[str, Any]) -> dict[str, str]:
    """Every part that is loaded from files: its library."""
    own = {name: str(part[0]) for name, part in index.items() if isinstance(part, list) and part[0]}
    for name, part in spec.components.items():
        if part is None:
            own.pop(name, None)
        else:
            own[name] = "diffusers" if hasattr(diffusers, part["class"]) else "transformers"
    return own


def is_quantized(part: torch.nn.Module) -> bool:
    """Whether some weights are quantized: stored as integers, or as a tensor class of another library."""
    plain = (torch.nn.Parameter, torch.Tensor)
    return any(
        type(weight) not in plain or type(weight.data) is not torch.Tensor or not weight.is_floating_point()
        for weight in part.parameters()
    )


def _config(where: str, value: Any, library: str) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("class"), str):
        raise ModelError(where, repr(value), "{class: BitsAndBytesConfig, its options}")
    name = value["class"]
    classes = _classes(library)
    if name not in classes:
        raise ModelError(
            f"{where}.class", f"{name}, which {library} does not have", nearest(name, list(classes))
        )
    if missing := absent([_PACKAGES[name]] if name in _PACKAGES else []):
        raise ModelError(
            f"{where}.class",
            f"{name}, whose package {missing[0]} is not installed",
            fix=f"pip install {missing[0]}",
        )
    options = {key: _option(f"{where}.{key}", key, item) for key, item in value.items() if key != "class"}
    known = [key for key in inspect.signature(classes[name]).parameters if key != "kwargs"]
    for key in options:
        if key not in known:
            raise ModelError(f"{where}.{key}", "an unknown key", nearest(key, known))
    try:
        return classes[name](**options)
    except (TypeError, ValueError, ImportError) as error:
        raise ModelError(where, f"{value}: {error}", f"the options of {name}") from error


def _classes(library: str) -> dict[str, Any]:
    """The classes that quantize weights while they are loaded, by name."""
    diffusers_auto: Any = import_module("diffusers.quantizers.auto")
    own = {kind.__name__: kind for kind in diffusers_auto.AUTO_QUANTIZATION_CONFIG_MAPPING.values()}
    own.pop("GGUFQuantizationConfig")
    if library != "transformers":
        return own
    return {name: kind for name in own if (kind := getattr(transformers, name, None)) is not None}


def _option(where: str, key: str, value: Any) -> Any:
    """The value of one option. torchao's ``quant_type`` is an object: a job gives its class and options."""
    if key != "quant_type":
        return value
    given = {"class": value} if isinstance(value, str) else dict(value)
    name = str(given.pop("class", None))
    kind = getattr(import_module("torchao.quantization"), name, None)
    if not isinstance(kind, type):
        raise ModelError(where, repr(value), "a class of torchao.quantization, such as Int8WeightOnlyConfig")
    try:
        return kind(**given)
    except TypeError as error:
        raise ModelError(where, f"{value}: {error}", f"the options of {name}") from error
