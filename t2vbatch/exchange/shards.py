"""WebDataset shards -> rows of a manifest: equal shards give equal rows, and no row replaces another."""

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from t2vbatch.errors import UsageError
from t2vbatch.exchange.kept_media import KeptMedia
from t2vbatch.exchange.row_ids import RowIds
from t2vbatch.exchange.tar_files import opened_tar
from t2vbatch.manifest.columns import ALIASES, CANONICAL
from t2vbatch.manifest.text import BadText, decode_text
from t2vbatch.media.frame_folder import tar_members
from t2vbatch.media.suffixes import VIDEO_SUFFIXES
from t2vbatch.storage.web import MAX_BYTES

Row = dict[str, Any]
Content = bytes | Path | None
Files = dict[str, Content]
"""Extension: text, a draft of media, or None if the import does not use the file."""

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "heif")
"""Extensions that are a row's image, the first of them that a key has."""

_VIDEOS = tuple(suffix.removeprefix(".") for suffix in VIDEO_SUFFIXES)
_MEDIA = (*IMAGES, *_VIDEOS)
_PROMPTS = ("prompt", "caption", "text", "prompt_en")
_TEXTS = ("json", "txt")
_TEXT_BYTES = 4 << 20
"""Most bytes of a prompt or of a JSON file; a prompt has some hundreds."""


def webdataset(source: Path, media: KeptMedia) -> Iterator[Row]:
    """Tar files of WebDataset, one or a folder of them: KEY.txt or KEY.json, with KEY.jpg or KEY.mp4."""
    shards = (
        sorted(path for path in source.glob("[!.]*.tar") if path.is_file()) if source.is_dir() else [source]
    )
    ids = RowIds()
    for shard in shards:
        for key, files in _samples(shard, media):
            name = ids.free(key)
            if name != key:
                media.leave_out(f"{shard.name}: the key {key!r} again; its row gets the id {name!r}")
            row = _row(shard, name, files, media)
            if row is not None:
                yield row


def _samples(shard: Path, media: KeptMedia) -> Iterator[tuple[str, Files]]:
    """Key, and extension: content, in the order of the shard."""
    with opened_tar(shard) as tar:
        members = (member for member in tar_members(tar) if _is_content(member, shard, media))
        for key, group in groupby(members, _key):
            files: Files = {}
            for member in group:
                extension = _extension(member)
                if extension in files:
                    media.leave_out(f"{shard.name}: {member.name} again")
                else:
                    files[extension] = _content(tar, member, extension, media)
            yield key, files


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, extension: str, media: KeptMedia) -> Content:
    """The text of a member, a draft of its media, or None for other members, which are not read."""
    file = cast(BinaryIO, tar.extractfile(member))
    if extension in _TEXTS:
        return file.read(member.size) if member.size <= _TEXT_BYTES else None
    return media.draft(file) if extension in _MEDIA else None


def _is_content(member: tarfile.TarInfo, shard: Path, media: KeptMedia) -> bool:
    """Whether a member is a file of a sample; hidden files, such as macOS's ``._NAME``, are left out."""
    name = PurePosixPath(member.name).name
    if member.isdir():
        return False
    # A sparse file of a few bytes expands to any size.
    usable = member.isfile() and not member.issparse() and member.size <= MAX_BYTES
    if not usable or name.startswith(".") or "." not in name:
        media.leave_out(f"{shard.name}: {member.name}: not a file of a sample")
        return False
    return True


def _key(member: tarfile.TarInfo) -> str:
    """The name up to the first dot of its last part."""
    path = PurePosixPath(member.name)
    return str(path.parent / path.name.partition(".")[0])


def _extension(member: tarfile.TarInfo) -> str:
    return PurePosixPath(member.name).name.partition(".")[2].lower()


def _row(shard: Path, key: str, files: Files, media: KeptMedia) -> Row | None:
    """The row of one key; None, reported, if it has neither a prompt nor media."""
    where = f"{shard.name}: {key}"
    row: Row = {"id": key.replace("\n", " ")}
    if isinstance(settings := files.get("json"), bytes):
        row |= _settings(settings, "txt" in files, where, media)
        del files["json"]
    if isinstance(prompt := files.get("txt"), bytes):
        row["prompt"] = _text(prompt, where)
        del files["txt"]
    for column, extensions in (("image", IMAGES), ("video", _VIDEOS)):
        chosen = next((extension for extension in extensions if extension in files), None)
        if chosen is not None and isinstance(draft := files.pop(chosen), Path):
            row[column] = media.keep(f"{PurePosixPath(key).name}.{chosen}", draft)
    for extension in sorted(files):
        media.leave_out(f"{where}.{extension}")
    if not {"prompt", "image", "video"} & row.keys():
        media.leave_out(f"{where}: neither a prompt nor an image nor a video")
        return None
    return row


def _settings(data: bytes, has_text: bool, where: str, media: KeptMedia) -> Row:
    """The columns of a JSON file. Those that would name files or the row get another name."""
    try:
        found = json.loads(_text(data, where))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        media.leave_out(f"{where}.json: not a JSON object")
        return {}
    prompt = None if has_text else next((name for name in _PROMPTS if isinstance(found.get(name), str)), None)
    row: Row = {"prompt": found.pop(prompt)} if prompt else {}
    for name, value in found.items():
        meaning = ALIASES.get(name, name)
        clashes = meaning in CANONICAL and meaning not in ("negative_prompt", "seed")
        column = f"json_{name}" if clashes else name
        if value is not None:
            row[column] = value
    return row


def _text(data: bytes, where: str) -> str:
    try:
        return decode_text(data).strip()
    except BadText as bad:
        raise UsageError(where, bad.found, bad.expected, bad.fix) from None
