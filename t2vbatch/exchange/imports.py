"""Prompt lists that are not tables -> a manifest in JSON Lines, with its media beside it."""

import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from t2vbatch.errors import UsageError, nearest
from t2vbatch.exchange.benchmarks import rules_of
from t2vbatch.exchange.kept_media import KeptMedia, media_folder, staged
from t2vbatch.exchange.row_ids import RowIds
from t2vbatch.exchange.shards import webdataset
from t2vbatch.manifest.json_text import integer, unique_fields
from t2vbatch.manifest.text import BadText, decode_text
from t2vbatch.media.frame_folder import SUFFIXES
from t2vbatch.storage.inputs import is_inside
from t2vbatch.storage.writable import check_writable

Row = dict[str, Any]
Importer = Callable[[Path, KeptMedia], Iterator[Row]]

_IMAGE_NAMES = ("image", "image_path", "input_path", "image_name", "ref")
_SUFFIX = ".jsonl"
_TABLES = (".csv", ".tsv", ".parquet")
_CAPTIONS = (".txt", ".caption")


def import_manifest(
    source: Path,
    form: str,
    target: Path,
    images: Path | None = None,
    force: bool = False,
    leave: Callable[[str], None] = lambda what: None,
    rewritten: Path | None = None,
) -> int:
    """Write a manifest from another tool's list.

    Args:
        source: the file or folder of the list. It is never changed.
        form: one of FORMATS.
        target: the manifest to write, ``.jsonl``; media go into a folder of its name beside it, because a
            manifest reads only files of its own folder.
        images: the folder of the images that the list names; default: the list's own folder. Files outside
            it are not read.
        force: replace an existing target, and files of equal names in its folder.
        leave: called with a sentence for everything that the import does not use.
        rewritten: for ``vbench``, a text file with the prompt to generate for each entry of the list, one per
            line, as VBench publishes them. The column ``prompt_en`` keeps the list's own prompt.

    Returns:
        The number of rows.

    Raises:
        UsageError: the source cannot be read as that format, or the target exists.
    """
    if form not in FORMATS:
        raise UsageError(f"import {form}", "an unknown format", nearest(form, FORMATS))
    if not source.exists():
        raise UsageError(str(source), "no such file or folder", f"a list of the format {form}")
    if rewritten is not None and form != "vbench":
        raise UsageError("--rewritten", f"rewritten prompts for the format {form}", "the format vbench")
    importer = FORMATS[form] if rewritten is None else partial(vbench, rewritten=rewritten)
    _check_target(source, target, images, force)
    try:
        with staged(target, images or _folder_of(source), source, leave) as media:
            rows = [_finite(row) for row in importer(source, media)]
            if not rows:
                reason = f" ({media.left_out[0]})" if media.left_out else ""
                raise UsageError(str(source), f"no prompts{reason}", f"a list of the format {form}")
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            data = lines.encode()
            media.publish()
            target.write_bytes(data)
    except UnicodeEncodeError:
        raise UsageError(str(source), "half of a surrogate pair", "whole characters") from None
    except OSError as error:
        raise UsageError(
            str(error.filename or source), error.strerror or str(error), "a readable list"
        ) from None
    return len(rows)


def vbench(source: Path, media: KeptMedia, rewritten: Path | None = None) -> Iterator[Row]:
    """VBench, VBench-2.0 and VBench-I2V: the full-info JSON. A prompt with two entries becomes one row.

    ``dimension`` has the dimensions, separated by commas; ``auxiliary_info`` the entry's own, as JSON;
    ``samples`` the number of videos that the prompt's package expects.
    """
    entries = _objects(source)
    if not all(isinstance(entry.get("prompt_en"), str) for entry in entries):
        raise _wrong(source, "entries without a text prompt_en", "VBench's full-info JSON")
    texts = [None] * len(entries) if rewritten is None else _prompts(rewritten)
    if len(texts) != len(entries):
        raise _wrong(
            rewritten or source, f"{len(texts)} prompts", f"one prompt for each of the {len(entries)} entries"
        )
    found: dict[tuple[str, str], Row] = {}
    for entry, text in zip(entries, texts, strict=True):
        image, prompt = entry.get("image_name"), entry["prompt_en"]
        new = {"prompt": prompt} if text is None else {"prompt": text, "prompt_en": prompt}
        row = found.setdefault((prompt, str(image)), new)
        dimensions = row["dimension"].split(", ") if "dimension" in row else []
        row["dimension"] = ", ".join(dict.fromkeys([*dimensions, *_texts(entry.get("dimension"))]))
        if "auxiliary_info" in entry:
            row["auxiliary_info"] = json.dumps(entry["auxiliary_info"], ensure_ascii=False)
        if isinstance(image, str):
            row |= {"image": image, "image_type": entry.get("image_type")}
    for row in found.values():
        row["samples"] = max(rules_of(row["dimension"], "image" in row).wanted(row["dimension"]))
        yield row | ({"image": media.named(row["image"])} if "image" in row else {})


def json_list(source: Path, media: KeptMedia) -> Iterator[Row]:
    """FastVideo, Cosmos and others: a JSON list of objects, or an object with one list in it."""
    for entry in _objects(source):
        row = {name: value for name, value in entry.items() if value is not None}
        named = next((name for name in _IMAGE_NAMES if isinstance(row.get(name), (str, list))), None)
        if named is not None:
            images = row.pop(named)
            row["image"] = (
                media.named(images) if isinstance(images, str) else [media.named(str(one)) for one in images]
            )
        yield row


def lines(source: Path, media: KeptMedia) -> Iterator[Row]:
    """EvalCrafter and T2V-CompBench: text with one prompt per line; in a folder each file is a category.

    ``id`` counts from 0 in four digits, as EvalCrafter names videos; in a folder the category comes first.
    """
    if not source.is_dir():
        if source.suffix.lower() in _TABLES or _is_json_lines(_decoded(source)):
            raise _wrong(source, "a table, which is a manifest already", "text with one prompt per line")
        prompts = _prompts(source)
        yield from ({"id": f"{index:04d}", "prompt": prompt} for index, prompt in enumerate(prompts))
        return
    ids = RowIds()
    for file in _visible(source, media):
        if file.suffix.lower() != ".txt":
            media.leave_out(f"{file.name}: not a .txt file")
            continue
        name = ids.free(file.stem)
        for index, prompt in enumerate(_prompts(file)):
            yield {"id": f"{name}-{index:04d}", "prompt": prompt, "category": file.stem}


def captions(source: Path, media: KeptMedia) -> Iterator[Row]:
    """A folder of images. NAME.txt, NAME.caption or NAME.png.txt is the prompt of NAME.png, if one exists."""
    if not source.is_dir():
        raise _wrong(source, "a file", "a folder of images with .txt files beside them")
    files = list(_visible(source, media))
    texts = _texts_by_stem(files, media)
    used: set[str] = set()
    stems, ids = set[str](), RowIds()
    for file in files:
        if file.suffix.lower() in SUFFIXES:
            row: Row = {"id": ids.free(file.name if file.stem in stems else file.stem)}
            stems.add(file.stem)
            name = next((one for one in map(_composed, (file.name, file.stem)) if one in texts), "")
            used.add(name)
            row["image"] = media.copied(file)
            text = texts.get(name)
            yield row | ({"prompt": _decoded(text).strip()} if text else {})
        elif file.suffix.lower() not in _CAPTIONS:
            media.leave_out(f"{file.name}: neither an image nor a .txt file")
    for stem in sorted(texts.keys() - used):
        media.leave_out(f"{texts[stem].name}: no image of that name")


def _texts_by_stem(files: Sequence[Path], media: KeptMedia) -> dict[str, Path]:
    """The captions by their names in NFC: a Mac writes names in NFD, and other programs in NFC."""
    texts: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() in _CAPTIONS and texts.setdefault(_composed(file.stem), file) != file:
            media.leave_out(f"{file.name}: another text of that name is used")
    return texts


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


FORMATS: Mapping[str, Importer] = {
    "vbench": vbench,
    "json": json_list,
    "lines": lines,
    "captions": captions,
    "webdataset": webdataset,
}
"""The formats, by name."""


def _check_target(source: Path, target: Path, images: Path | None, force: bool) -> None:
    """The target is a new .jsonl file, or one to replace, and neither it nor its folder is the source."""
    if target.suffix.lower() != _SUFFIX:
        raise UsageError(str(target), "a target that is not .jsonl", "a name such as manifest.jsonl")
    if target.is_dir():
        raise UsageError(str(target), "a folder", "a file that does not exist")
    folder = media_folder(target)
    if _same(target, source):
        raise UsageError(str(target), "the source itself", "another target; the source is never changed")
    for own in (source, images):
        if own is not None and folder.is_dir() and _within(own, folder):
            found = f"a target whose media go into {folder}, the folder of the source"
            raise UsageError(str(target), found, "another target; the source is never changed")
    if folder.exists() and not folder.is_dir():
        raise UsageError(str(target), f"{folder}, where the media go, which is a file", "another target")
    if not force and target.exists():
        raise UsageError(str(target), "a file that exists", "a new file; --force replaces it")
    if not force and folder.is_dir() and any(folder.iterdir()):
        found = f"a folder for its media, {folder}, that is not empty"
        raise UsageError(str(target), found, "another target; --force adds to the folder")
    check_writable(str(target), target.parent)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _within(path: Path, folder: Path) -> bool:
    """Whether a path is a folder, or below it."""
    return any(_same(part, folder) for part in (path.resolve(), *path.resolve().parents))


def _folder_of(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _visible(folder: Path, media: KeptMedia) -> Iterator[Path]:
    """The files of a folder in order. Hidden files, such as macOS's ``._NAME``, are left out."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            media.leave_out(f"{path.name}: a hidden file")
        elif not path.is_file():
            media.leave_out(f"{path.name}: not a file")
        elif not is_inside(str(path), str(folder)):
            media.leave_out(f"{path.name}: a link to a file outside the folder")
        else:
            yield path


def _decoded(file: Path) -> str:
    try:
        return decode_text(file.read_bytes())
    except BadText as bad:
        raise UsageError(str(file), bad.found, bad.expected, bad.fix) from None


def _prompts(file: Path) -> list[str]:
    lines = _decoded(file).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _objects(source: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file: its list, or the first list of objects in it. Texts are prompts."""
    if source.is_dir():
        raise _wrong(source, "a folder", "a JSON file")
    text = _decoded(source)
    try:
        found = json.loads(text, object_pairs_hook=unique_fields, parse_int=integer)
    except RecursionError:
        raise _wrong(source, "JSON nested too deeply", "a JSON list of objects") from None
    except ValueError as error:
        if _is_json_lines(text):
            raise _wrong(
                source, "JSON Lines, which is a manifest already", "a JSON list of objects"
            ) from None
        raise _wrong(source, f"invalid JSON ({error})", "a JSON list of objects") from None
    lists = [found] if isinstance(found, list) else list(found.values()) if isinstance(found, dict) else []
    chosen = next((one for one in lists if isinstance(one, list) and one and _all(one, dict)), None)
    if chosen is None and isinstance(found, list) and _all(found, str):
        chosen = [{"prompt": prompt} for prompt in found]
    if chosen is None:
        raise _wrong(source, "JSON without a list of objects", "a JSON list of objects")
    return chosen


def _all(values: list[Any], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def _is_json_lines(text: str) -> bool:
    """Whether the first line is a whole object."""
    try:
        return isinstance(json.loads(text.lstrip().partition("\n")[0]), dict)
    except (ValueError, RecursionError):
        return False


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def _finite(value: Any) -> Any:
    """The value with null for NaN and infinity, which JSON does not have."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case _:
            return value


def _wrong(source: Path, found: str, expected: str) -> UsageError:
    return UsageError(str(source), found, expected)
