"""Telling a checkpoint's folder from what else lies about on a disk; without torch, hence at once."""

from pathlib import Path

from t2vbatch.errors import ModelError

INDEX = "model_index.json"

_SHOWN = 6


def check_folder(where: str, path: str, marker: str = INDEX) -> None:
    """Refuse what is on this machine and no checkpoint. What is not here may be on the hub.

    Args:
        marker: the file that makes a folder the kind of checkpoint that is wanted.

    Raises:
        ModelError: with what is there, and what it looks like.
    """
    place = Path(path).expanduser()
    if not place.exists() or (place / marker).is_file():
        return
    found = f"{path}, a file" if place.is_file() else f"{path}, a folder {_content(place)}"
    advice = _advice(place) if marker == INDEX else ""
    raise ModelError(where, found, f"a folder with a {marker}, or a hub id", advice)


def _content(folder: Path) -> str:
    """What is in a folder, shortly."""
    names = sorted(f"{part.name}/" if part.is_dir() else part.name for part in folder.iterdir())
    if not names:
        return "with nothing in it"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"with {', '.join(names[:_SHOWN])}{more}"


def _advice(place: Path) -> str:
    """What to do about what it looks like."""
    if place.is_file():
        return "load it with the class's from_single_file once, and save_pretrained to a folder"
    inner = sorted(part.parent.name for part in place.glob(f"*/{INDEX}"))
    if inner:
        return f"name the folder inside: {' or '.join(str(place / name) for name in inner)}"
    if next(place.glob("*lora*.safetensors"), None):
        return "a LoRA goes under loras:, beside the path of the model that it changes"
    if (place / "config.json").is_file():
        return "a single network goes under components:, beside the path of a whole pipeline"
    if next(place.glob("*.safetensors"), None) or next(place.glob("*.ckpt"), None):
        return "load the weights with the class's from_single_file once, and save_pretrained to a folder"
    return (
        "mind the path; a generator that is no diffusers pipeline is named by pipeline: package.module:Name"
    )
