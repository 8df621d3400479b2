"""The media of an imported list: copied into one folder beside the new manifest, each under its own name."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from t2vbatch.errors import ManifestError, Problem, StoreError
from t2vbatch.manifest.media import refusal
from t2vbatch.manifest.missing import expected_instead
from t2vbatch.storage.inputs import open_input
from t2vbatch.storage.names import folded

_PART_BYTES = 1 << 20
_REFUSED = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f]|[^\S ]|[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9\xb9\xb2\xb3])(\..*)?")
"""Characters that Windows refuses or that are invisible, and Windows' names of devices."""

_STEM_BYTES, _SUFFIX_CHARS = 200, 10
"""With the number that separates two equal names, shorter than the 255 bytes of most file systems."""


class KeptMedia:
    """Copies of media in a folder that is not yet in its place.

    Attributes:
        left_out: sentences about what the import does not use.
    """

    def __init__(self, folder: Path, staging: Path, images: Path, source: Path) -> None:
        self._folder, self._images, self._source = folder, images, source
        self._staging, self._drafts, self._numbers = staging / "media", staging / "drafts", count()
        self._staging.mkdir()
        self._drafts.mkdir()
        self._names: dict[str, str] = {}
        self._by_path: dict[Path, str] = {}
        self.left_out: list[str] = []

    def draft(self, file: BinaryIO) -> Path:
        """A copy of a file that may be kept; it is never in memory as a whole."""
        path = self._drafts / str(next(self._numbers))
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy, _PART_BYTES)
        return path

    def keep(self, name: str, file: Path) -> str:
        """Move a draft to ``name``, or a free name like it; returns the path for the manifest."""
        free = self._free(_usable(PurePosixPath(name.replace("\\", "/")).name or "media"))
        file.rename(self._staging / free)
        return f"{self._folder.name}/{free}"

    def named(self, name: str) -> str:
        """Copy the file that a list names; returns the path for the manifest. A URI stays as it is.

        Raises:
            ManifestError: the file is outside the list's folder, or cannot be read.
        """
        if "://" in name and not name.lower().startswith("file:"):
            return name
        if not name.isprintable():
            raise self._problem(f"the name {name[:200]!r}", "a name without control characters")
        if (reason := refusal(name, str(self._images), allow_paths=False)) is not None:
            expected = f"a file below {self._images}; --images FOLDER names another folder"
            raise self._problem(f"{reason}, {name[:200]!r}", expected)
        try:
            return self.copied(self._images / name)
        except FileNotFoundError:
            raise self._problem(
                f"no image {name[:200]!r}", expected_instead(name, str(self._images))
            ) from None
        except (OSError, ValueError, StoreError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self._problem(f"no image {name[:200]!r} ({reason})", "an image file") from None

    def copied(self, path: Path) -> str:
        """Copy a file, once; returns the path for the manifest.

        Raises:
            StoreError: it is not a regular file, or too large.
        """
        real = path.resolve()
        if real not in self._by_path:
            with open_input(real) as file:
                self._by_path[real] = self.keep(path.name, self.draft(file))
        return self._by_path[real]

    def leave_out(self, what: str) -> None:
        """Report something that the import does not use."""
        self.left_out.append(what)

    def publish(self) -> None:
        """Move the copies to their folder."""
        for path in sorted(self._staging.iterdir()):
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.move(path, self._folder / path.name)

    def _free(self, name: str) -> str:
        """A name that no other file has, also on disks that fold case and Unicode forms."""
        path, count = PurePosixPath(name), 1
        while folded(name) in self._names:
            count += 1
            name = f"{path.stem}-{count}{path.suffix}"
        self._names[folded(name)] = name
        return name

    def _problem(self, found: str, expected: str) -> ManifestError:
        return ManifestError([Problem(str(self._source), None, "image", found, expected)])


@contextmanager
def staged(target: Path, images: Path, source: Path, leave: Callable[[str], None]) -> Iterator[KeptMedia]:
    """Media for the manifest ``target``; nothing is written to their folder until ``publish``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".import-") as staging:
        media = KeptMedia(media_folder(target), Path(staging), images, source)
        yield media
    for sentence in media.left_out:
        leave(sentence)


def media_folder(target: Path) -> Path:
    """The folder of the copies for a manifest."""
    return target.with_suffix("")


def _usable(name: str) -> str:
    """The name, short enough for every file system, without characters and words that one of them refuses."""
    path = PurePosixPath(_REFUSED.sub("_", name))
    stem = path.stem.encode(errors="replace")[:_STEM_BYTES].decode(errors="ignore").strip(" ").rstrip(".")
    suffix = path.suffix[:_SUFFIX_CHARS].rstrip(". ")
    return f"_{stem}{suffix}" if not stem or _DEVICE.fullmatch(stem) else f"{stem}{suffix}"
