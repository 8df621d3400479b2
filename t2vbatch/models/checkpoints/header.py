"""What a safetensors file says of itself at its beginning: names, shapes and types. No weights are read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, NotASafetensorsRepoError, SafetensorsParsingError

from t2vbatch.errors import ModelError

_MOST_BYTES = 100_000_000
"""Of a header, by the format's own rule; a file that claims more is none."""


@dataclass(frozen=True)
class Tensor:
    """One entry; ``dtype`` in the format's words, such as ``BF16``."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


def local_header(path: Path) -> Mapping[str, Tensor]:
    """The header of a file here. Raises ModelError when it is no safetensors file, or only a part of one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            found = json.loads(file.read(min(length, _MOST_BYTES)))
        found.pop("__metadata__", None)
        whole = 8 + length + max((entry["data_offsets"][1] for entry in found.values()), default=0)
        if whole > path.stat().st_size:
            raise ValueError(f"{path.stat().st_size} of {whole} bytes")
        return {name: Tensor(str(entry["dtype"]), tuple(entry["shape"])) for name, entry in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            str(path), f"no safetensors file, or half of one ({error})", "a whole one", "fetch it again"
        ) from None


def hub_header(repo: str, commit: str, name: str) -> Mapping[str, Tensor]:
    """The header of a file of the hub, by two small requests; nothing where it cannot be asked."""
    try:
        found = HfApi().parse_safetensors_file_metadata(repo, name, revision=commit).tensors
    except (HfHubHTTPError, NotASafetensorsRepoError, SafetensorsParsingError, OSError):
        return {}
    return {name: Tensor(tensor.dtype, tuple(tensor.shape)) for name, tensor in found.items()}
