"""Prompt lists that are no table -> a manifest in JSON Lines, with its images beside it."""

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from t2vbatch.errors import ManifestError, Problem, UsageError

Row = dict[str, Any]
Keep = Callable[[str, bytes], str]
"""Stores an image under a name and returns what the manifest writes."""

_IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def import_manifest(source: Path, form: str, target: Path, images: Path | None = None) -> int:
    """Write a manifest from another tool's list.

    Args:
        source: its file or folder.
        form: one of FORMATS.
        target: the manifest to write, in JSON Lines; images go into a folder of its name beside it, since a
            manifest reads nothing from elsewhere.
        images: where the list's own images are, for lists that name them without saying where.

    Returns:
        How many rows were written.

    Raises:
        UsageError: the source is not there, or is not of that form.
    """
    if form not in FORMATS:
        raise UsageError(f"import {form}", "an unknown format", f"one of {', '.join(FORMATS)}")
    if not source.exists():
        raise UsageError(str(source), "no such file or folder", f"a list of the format {form}")
    folder = target.with_suffix("")

    def keep(name: str, data: bytes) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / PurePosixPath(name).name
        path.write_bytes(data)
        return f"{folder.name}/{path.name}"

    rows = list(FORMATS[form](source, images, keep))
    if not rows:
        raise UsageError(str(source), "no prompts", f"a list of the format {form}")
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    target.write_text("".join(lines), encoding="utf-8")
    return len(rows)


def vbench(source: Path, images: Path | None, keep: Keep) -> Iterator[Row]:
    """VBench, VBench-2.0 and VBench-I2V: the full-info JSON. A prompt of two entries becomes one row.

    ``dimension`` holds the dimensions, comma between them; ``auxiliary_info`` the entry's, as JSON.
    """
    entries = _listed(source)
    if not all(isinstance(entry.get("prompt_en"), str) for entry in entries):
        raise _wrong(source, "entries without prompt_en", "VBench's full-info JSON")
    found: dict[tuple[Any, ...], Row] = {}
    for entry in entries:
        row = found.setdefault((entry["prompt_en"], entry.get("image_name")), {"prompt": entry["prompt_en"]})
        dimensions = row["dimension"].split(", ") if "dimension" in row else []
        row["dimension"] = ", ".join(dict.fromkeys([*dimensions, *entry["dimension"]]))
        if "auxiliary_info" in entry:
            row["auxiliary_info"] = json.dumps(entry["auxiliary_info"], ensure_ascii=False)
        if "image_name" in entry:
            row |= {"image": entry["image_name"], "image_type": entry.get("image_type")}
    for row in found.values():
        yield row | ({"image": _beside(source, images, row["image"], keep)} if "image" in row else {})


def json_list(source: Path, images: Path | None, keep: Keep) -> Iterator[Row]:
    """FastVideo, Cosmos and others: a JSON list of objects, or an object with one list in it."""
    for entry in _listed(source):
        row = {name: value for name, value in entry.items() if value is not None}
        for name in ("image", "image_path", "input_path"):
            if isinstance(row.get(name), str):
                row["image"] = _beside(source, images, row.pop(name), keep)
        yield row


def lines(source: Path, images: Path | None, keep: Keep) -> Iterator[Row]:
    """EvalCrafter and T2V-CompBench: text with one prompt a line; of a folder, each file is a category.

    ``id`` counts from 0 in four digits, as EvalCrafter names videos; with categories their name stands first.
    """
    files = sorted(source.glob("*.txt")) if source.is_dir() else [source]
    for file in files:
        prompts = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        for index, prompt in enumerate(prompts):
            if source.is_dir():
                yield {"id": f"{file.stem}-{index:04d}", "prompt": prompt, "category": file.stem}
            else:
                yield {"id": f"{index:04d}", "prompt": prompt}


def captions(source: Path, images: Path | None, keep: Keep) -> Iterator[Row]:
    """A folder of images; NAME.txt beside NAME.png is its prompt, without one the image stands alone."""
    for file in sorted(path for path in source.iterdir() if path.suffix.lower() in _IMAGES):
        row: Row = {"id": file.stem, "image": keep(file.name, file.read_bytes())}
        text = file.with_suffix(".txt")
        yield row | ({"prompt": text.read_text(encoding="utf-8").strip()} if text.exists() else {})


def webdataset(source: Path, images: Path | None, keep: Keep) -> Iterator[Row]:
    """Tar files of WebDataset, one or a folder of them: KEY.txt or KEY.json, with KEY.jpg or none."""
    for shard in sorted(source.glob("*.tar")) if source.is_dir() else [source]:
        with tarfile.open(shard) as tar:
            for key, members in groupby((member for member in tar if member.isfile()), _key):
                files = {PurePosixPath(m.name).suffix.lower(): _content(tar, m) for m in members}
                yield _sample(key, files, keep)


FORMATS: Mapping[str, Callable[[Path, Path | None, Keep], Iterator[Row]]] = {
    "vbench": vbench,
    "json": json_list,
    "lines": lines,
    "captions": captions,
    "webdataset": webdataset,
}
"""What can be imported, by name."""


def _sample(key: str, files: Mapping[str, bytes], keep: Keep) -> Row:
    row: Row = {"id": key}
    if ".json" in files:
        row |= json.loads(files[".json"])
    if ".txt" in files:
        row["prompt"] = files[".txt"].decode().strip()
    for suffix in _IMAGES & files.keys():
        row["image"] = keep(key.replace("/", "-") + suffix, files[suffix])
    return row


def _key(member: tarfile.TarInfo) -> str:
    """The name up to the first dot of its last part, which is what belongs together."""
    path = PurePosixPath(member.name)
    return str(path.parent / path.name.partition(".")[0])


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _listed(source: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file: its list, or the one list in it."""
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _wrong(source, f"no JSON ({error})", "a JSON file") from None
    if isinstance(found, dict):
        found = next((value for value in found.values() if isinstance(value, list)), None)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise _wrong(source, "no list of objects", "a JSON list of objects")
    return found


def _beside(source: Path, images: Path | None, name: str, keep: Keep) -> str:
    path = (images or source.parent) / name
    try:
        return keep(path.name, path.read_bytes())
    except OSError:
        problem = Problem(str(source), None, "image", f"no image {path}", "an image file")
        raise ManifestError([problem]) from None


def _wrong(source: Path, found: str, expected: str) -> UsageError:
    return UsageError(str(source), found, expected)
