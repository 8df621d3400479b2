"""Headers of safetensors files: names, shapes and dtypes of their tensors. No weights are read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub as hf

from t2vbatch.errors import ModelError

_MOST_BYTES = 100_000_000
"""The format's own limit on a header; a file with a larger one is not safetensors."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file; ``dtype`` is the format's name, such as ``BF16``."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)


def local_header(path: Path) -> Mapping[str, Tensor]:
    """The header of a local file. Raises ModelError if it is not safetensors, or is incomplete."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            found = json.loads(file.read(min(length, _MOST_BYTES)))
        found.pop("__metadata__", None)
        whole = 8 + length + max((entry["data_offsets"][1] for entry in found.values()), default=0)
        if whole > path.stat().st_size:
            raise ValueError(f"{path.stat().st_size} of {whole} bytes")
        return {name: Tensor(str(entry["dtype"]), _shape(entry["shape"])) for name, entry in found.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            str(path),
            f"an incomplete or invalid safetensors file ({error})",
            "a complete file",
            "download it again",
        ) from None


def _shape(listed: list[int]) -> tuple[int, ...]:
    if not all(isinstance(side, int) and side >= 0 for side in listed):
        raise ValueError(f"the shape {str(listed)[:80]}")
    return tuple(listed)


def hub_header(repo: str, commit: str, name: str) -> Mapping[str, Tensor]:
    """The header of a file on the Hub, by two small requests; empty if the Hub does not answer."""
    from huggingface_hub import errors  # Imported here, because it imports an HTTP client.

    try:
        found = hf.HfApi().parse_safetensors_file_metadata(repo, name, revision=commit).tensors
    except (errors.HfHubHTTPError, errors.NotASafetensorsRepoError, errors.SafetensorsParsingError, OSError):
        return {}
    return {name: Tensor(tensor.dtype, tuple(tensor.shape)) for name, tensor in found.items()}
