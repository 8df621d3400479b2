"""Fonts for text in any script: packages that are installed with t2vbatch, then the fonts of the machine.

Noto Sans covers Latin, Cyrillic, Greek and Devanagari, Noto Sans Arabic covers Arabic. Chinese, Japanese and
Korean need the extra ``cjk`` or a font of the machine; emoji need a font of the machine.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from t2vbatch.storage.files import expanded

PACKAGES = ("fontpkg_noto_sans", "fontpkg_noto_sans_arabic", "cvttf_NotoSansCJK_Regular")
"""Packages with fonts, the preferred one first."""

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
"""Where operating systems keep fonts."""

BITMAP_SIZE = 109
"""The only size of Noto Color Emoji, in pixels."""

_KINDS = {".ttf", ".otf", ".ttc"}
_STYLES = ("bold", "italic", "oblique", "light", "thin", "black", "condensed", "narrow", "mono", "serif")
_UNASSIGNED = "\U0010ffff"
"""A code point that no font has: its glyph is the box for a missing character."""


@cache
def packaged_fonts() -> tuple[Path, ...]:
    """The upright fonts of PACKAGES that are installed."""
    found: list[Path] = []
    for name in PACKAGES:
        spec = find_spec(name)
        for place in spec.submodule_search_locations or () if spec else ():
            fonts = sorted(path for path in Path(place).rglob("*") if path.suffix in _KINDS)
            found += [path for path in fonts if "italic" not in path.name.lower()]
    return tuple(found)


@cache
def machine_fonts() -> tuple[Path, ...]:
    """The fonts of the machine, plain styles first."""
    folders = [expanded(folder) for folder in FOLDERS]
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in _KINDS]
    return tuple(sorted(found, key=lambda path: (_styled(path), path.name, str(path))))


@cache
def font_for(char: str) -> Path | None:
    """The first font that has this character; None if no font has it."""
    return next((path for path in _fonts() if _has(path, char)), None)


@cache
def load(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """The font at this size in pixels; a bitmap font has only BITMAP_SIZE."""
    try:
        return ImageFont.truetype(path, size)
    except OSError:
        return ImageFont.truetype(path, BITMAP_SIZE)


def is_invisible(char: str) -> bool:
    """Whether a character has no glyph of its own: it joins, marks or directs its neighbours."""
    return unicodedata.category(char) in {"Mn", "Me", "Cf", "Cc", "Zs"}


def _fonts() -> Iterator[Path]:
    yield from packaged_fonts()
    yield from machine_fonts()


def _styled(path: Path) -> bool:
    return any(style in path.name.lower() for style in _STYLES)


@cache
def _has(path: Path, char: str) -> bool:
    try:
        font = load(path, 20)
        return _glyph(font, char) != _glyph(font, _UNASSIGNED)
    except (OSError, ValueError):
        return False  # not a font that FreeType reads


def _glyph(font: ImageFont.FreeTypeFont, char: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(char)
    return mask.size, bytes(mask)
