"""Telling a checkpoint's folder from what else lies about on a disk; without torch, hence at once."""

from importlib.metadata import entry_points
from pathlib import Path

from t2vbatch.errors import ModelError

INDEX = "model_index.json"

PLUGINS = "t2vbatch.models"
"""The group of entry points by which packages offer generators."""

_SHOWN = 6


def check_folder(where: str, path: str, marker: str = INDEX) -> None:
    """Refuse a folder that is no checkpoint. A file may be one, and what is not here may be on the hub.

    Args:
        marker: the file that makes a folder the kind of checkpoint that is wanted.

    Raises:
        ModelError: with what is there, and what it looks like.
    """
    place = Path(path).expanduser()
    if not place.is_dir() or (place / marker).is_file():
        return
    advice = _advice(place) if marker == INDEX else ""
    found = f"{path}, a folder {_content(place)}, and no {marker}"
    raise ModelError(where, found, f"a folder with a {marker}, or a hub id", advice)


def is_checkpoint(pipeline: str | None) -> bool:
    """Whether a model whose ``pipeline`` is this one needs a checkpoint; a plug-in's path may be anything."""
    return pipeline is None or not (":" in pipeline or entry_points(group=PLUGINS, name=pipeline))


def _content(folder: Path) -> str:
    """What is in a folder, shortly."""
    names = sorted(f"{part.name}/" if part.is_dir() else part.name for part in folder.iterdir())
    if not names:
        return "with nothing in it"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"with {', '.join(names[:_SHOWN])}{more}"


def _advice(folder: Path) -> str:
    """What to do about what it looks like."""
    if inner := sorted(str(part.parent) for part in folder.glob(f"*/{INDEX}")):
        return f"name the folder within: {' or '.join(inner)}"
    if next(folder.glob("*lora*.safetensors"), None):
        return "a LoRA goes under loras:, beside the path of the model that it changes"
    if (folder / "config.json").is_file():
        return "a single network goes under components:, beside the path of a whole pipeline"
    if weights := sorted(folder.glob("*.safetensors")):
        return f"name the file, where all of a model is in one: {weights[0]}"
    return (
        "mind the path; a generator that is no diffusers pipeline is named by pipeline: package.module:Name"
    )
