"""Whether a folder is a checkpoint. This module does not import torch, so that the answer comes at once."""

from importlib.metadata import entry_points
from pathlib import Path

from t2vbatch.errors import ModelError

INDEX = "model_index.json"

MODULAR_INDEX = "modular_model_index.json"

_INDEXES = (INDEX, MODULAR_INDEX)

PLUGINS = "t2vbatch.models"
"""The group of entry points by which packages offer generators."""

_SHOWN = 6


def check_folder(where: str, path: str, marker: str = INDEX) -> None:
    """Refuse a local folder that is not a checkpoint. Files and paths that do not exist are accepted.

    Args:
        marker: the file that the expected kind of checkpoint has; for one index, a folder may have the other.

    Raises:
        ModelError: with the folder's content, and what to do about it.
    """
    place = Path(path).expanduser()
    accepted = _INDEXES if marker in _INDEXES else (marker,)
    if not place.is_dir() or any((place / name).is_file() for name in accepted):
        return
    advice = _advice(place) if marker in _INDEXES else ""
    found = f"{path}, a folder without {marker} ({_content(place)})"
    raise ModelError(where, found, f"a folder with a {marker}, or a repository of the Hub", advice)


def is_checkpoint(pipeline: str | None) -> bool:
    """Whether a model with this ``pipeline`` needs a checkpoint; the path of a plug-in is not checked."""
    return pipeline is None or not (":" in pipeline or entry_points(group=PLUGINS, name=pipeline))


def _content(folder: Path) -> str:
    """The first names in a folder."""
    names = sorted(f"{part.name}/" if part.is_dir() else part.name for part in folder.iterdir())
    if not names:
        return "it is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN])}{more}"


def _advice(folder: Path) -> str:
    """What to do, guessed from the files in the folder."""
    if inner := sorted(str(part.parent) for part in folder.glob(f"*/{INDEX}")):
        return f"name the folder inside: {' or '.join(inner)}"
    if next(folder.glob("*lora*.safetensors"), None):
        return "list a LoRA under loras:, and name its base model in path:"
    if (folder / "config.json").is_file():
        return "list a single network under components:, and name a complete pipeline in path:"
    if weights := sorted(folder.glob("*.safetensors")):
        return f"if one file holds the complete model, name that file: {weights[0]}"
    return (
        "check the path; for a generator that is not a diffusers pipeline, set pipeline: package.module:Name"
    )
