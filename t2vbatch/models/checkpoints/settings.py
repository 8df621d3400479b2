"""The keys ``memory:`` and ``speed:``: names of the settings and what they mean.  [pure]

Settings that only move weights change no pixel and are not part of a model's identity; all others are. What a
setting does to a loaded pipeline is in effects.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DENOISERS = ("transformer", "transformer_2", "unet")
"""The networks that run at each step; Wan 2.2 has two."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        meaning: one line for the user.
        moves_only: whether it only moves weights and leaves all pixels unchanged.
    """

    meaning: str
    moves_only: bool = False


MEMORY: Mapping[str, Setting] = {
    "model_cpu_offload": Setting("one network at a time on the device", moves_only=True),
    "sequential_cpu_offload": Setting("one layer at a time on the device", True),
    "group_offload": Setting("layers are loaded while others run; offload_type, use_stream", True),
    "vae_slicing": Setting("decode one frame or video at a time"),
    "vae_tiling": Setting("decode in overlapping tiles"),
    "forward_chunking": Setting("feed-forward layers in pieces; chunk_size, dim"),
    "layerwise_casting": Setting("weights stored in 8 bits; storage_dtype"),
}

SPEED: Mapping[str, Setting] = {
    "compile": Setting("torch.compile: the repeated blocks if the model lists them, else all of it"),
    "attention_backend": Setting("the attention kernel"),
    "cache": Setting("reuse results between steps: a cache config of diffusers with its options"),
    "text_encoder": Setting(
        "precompute: encode all prompts first, then take the text encoders off the device", True
    ),
    "quantization": Setting("quantized weights: {part: {class: TorchAoConfig, its options}}"),
}

OFFLOADS = frozenset({"model_cpu_offload", "sequential_cpu_offload", "group_offload"})
"""Settings that decide on which device all weights are; a model takes at most one."""


def options_of(value: Any) -> dict[str, Any]:
    """The options of a setting: none for ``true``, the option ``name`` for a text, or the mapping itself."""
    match value:
        case None | True:
            return {}
        case str():
            return {"name": value}
        case dict() if "class" in value:
            return {"name": value["class"]} | {key: item for key, item in value.items() if key != "class"}
        case dict():
            return dict(value)
        case _:
            raise ValueError(f"expected true, a name or a mapping of options, not {value!r}")
