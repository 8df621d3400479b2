"""The kind of a file by its first bytes, for messages about files that are not read.  [pure]"""

import codecs
import re
from dataclasses import dataclass

HEAD_BYTES = 512
"""First bytes that ``file_kind`` looks at."""


@dataclass(frozen=True)
class FileKind:
    """A kind of files. ``name`` has its article, ``fix`` says what to do with such a file."""

    name: str
    fix: str


_UNPACK = "unpack it first"
_PNG = "convert it to PNG or JPEG"
_MP4 = "convert it to mp4"
_DEVELOP = "develop it to PNG, JPEG or TIFF"
_EXPORT = "export it as CSV in UTF-8, or write Parquet"

_GENERAL: tuple[tuple[str, str, str], ...] = (
    (r"version https://git-lfs\.github\.com/", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (
        r"(?i)\s*(<\?xml[^>]*>\s*)?(<!--.{0,400}?-->\s*)?(<!doctype html|<html)",
        "an HTML page",
        "download the file itself, not the page that shows it",
    ),
    (r"\x1f\x8b", "gzip-compressed data", _UNPACK),
    (r"\x28\xb5\x2f\xfd", "Zstandard-compressed data", _UNPACK),
    (r"BZh[1-9]1AY&SY", "bzip2-compressed data", _UNPACK),
    (r"\xfd7zXZ\x00", "xz-compressed data", _UNPACK),
    (r"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (r"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (r"\x89HDF\r\n\x1a\n", "an HDF5 file", "write Parquet"),
    (r"\x00\x05\x16\x07", "a macOS file of attributes (AppleDouble)", "name the file without ._"),
    (
        r"PK\x03\x04.{22,60}(xl/|\[Content_Types\]|_rels/)",
        "an Excel workbook or another Office file",
        _EXPORT,
    ),
    (r"PK\x03\x04", "a ZIP archive or an Office file", f"{_UNPACK}, or {_EXPORT}"),
    (r"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, such as .xls", _EXPORT),
    (r"PAR1[\x00-\x1f]", "Parquet", "name the file .parquet"),
    (r"ARROW1\x00\x00", "an Arrow or Feather file", "name the file .arrow"),
    (r"FEA1", "a Feather file of version 1", "write Parquet"),
    (r"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (r"\x93NUMPY", "a NumPy array", ""),
    (r"\x80[\x02-\x05][\x80-\xff(}\]c]", "a pickle", "write Parquet"),
    (r"%PDF-", "a PDF document", "convert its pages to PNG"),
)

_MEDIA: tuple[tuple[str, str, str], ...] = (
    (r".{4}ftyp(avci|jpeg|j2ki|vvic|evbi|unif)", "a HEIF image of an unusual codec", _PNG),
    (r".{4}ftypcrx ", "a camera's raw file (CR3)", _DEVELOP),
    (r"(II\*\x00|MM\x00\*).{4}CR\x02", "a camera's raw file (CR2)", _DEVELOP),
    (r"FUJIFILMCCD-RAW", "a camera's raw file (RAF)", _DEVELOP),
    (r"II(RO|RS|U\x00)|MMOR|\x00MRM|FOVb", "a camera's raw file", _DEVELOP),
    (r"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL image", _PNG),
    (r"\xff\xd8\xff\xf7", "a JPEG-LS image", _PNG),
    (r"II\xbc\x01", "a JPEG XR image", _PNG),
    (r"BPG\xfb", "a BPG image", _PNG),
    (r"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  ", "a JPEG 2000 image", _PNG),
    (
        r"(?i)\s*(<\?xml.{0,400})?(<!--.{0,400}-->\s*)?<(svg|!doctype svg)",
        "an SVG drawing",
        "render it to PNG",
    ),
    (r"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document", "render it to PNG"),
    (r"\xd7\xcd\xc6\x9a|\x01\x00{3}.{36} EMF", "a Windows metafile", "render it to PNG"),
    (r"SDPX|XPDS|\x80\x2a\x5f\xd7|\xd7\x5f\x2a\x80", "a DPX or Cineon image", _PNG),
    (r".{128}DICM", "a DICOM file", "export its images as PNG"),
    (r"SIMPLE  =", "a FITS file", "export its images as PNG"),
    (r"\x59\xa6\x6a\x95", "a Sun raster image", _PNG),
    (r"8BPS", "a Photoshop document", _PNG),
    (r"gimp xcf", "a GIMP document", _PNG),
    (r"\x76\x2f\x31\x01", "an OpenEXR image", _PNG),
    (r"#\?(RADIANCE|RGBE)", "a Radiance HDR image", _PNG),
    (r"DDS ", "a DDS texture", _PNG),
    (r"\x00\x00\x01\x00[^\x00]\x00", "an icon (ICO)", _PNG),
    (r"\x00\x00\x02\x00[^\x00]\x00", "a cursor (CUR)", _PNG),
    (r"icns", "an icon (ICNS)", _PNG),
    (r"P[1-7fF]\s", "a Netpbm image", _PNG),
    (r"qoif", "a QOI image", _PNG),
    (r"\x01\xda[\x00\x01][\x01\x02]", "an SGI image", _PNG),
    (r"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]", "a PCX image", _PNG),
    (r"FORM.{4}(ILBM|PBM )", "an ILBM image", _PNG),
    (r"\.RMF", "a RealMedia file", _MP4),
    (r"[FCZ]WS[\x01-\x40]", "a Flash file", _MP4),
    (r"nut/multimedia", "a NUT file", _MP4),
    (r"\xb7\xd8\x00\x20\x37\x49\xda\x11", "a recording of Windows (WTV)", _MP4),
    (r".{4}ftypbraw|RED[12]", "a camera's raw video", _MP4),
    (r"#EXTM3U|ffconcat", "a playlist", "name the video itself"),
    (r"data:[\w.+/-]{0,80}[;,]", "the text of a data: URL", "write its bytes into a file"),
    (r"iVBORw0KGgo|/9j/[\w+/]{8}", "an image in Base64", "decode it into a file"),
    (r"\s*<\?xml|\s*<[A-Za-z]+[ >]", "an XML document", "it may be the error message of a server"),
    (r"\s*[{\[]\s*[\"{\[\]}]", "JSON", "it may be the error message of a server"),
    (r".{257}ustar", "a tar archive", _UNPACK),
    (r"RIFF.{4}WAVE|ID3|\xff[\xfa\xfb\xf2\xf3]|fLaC", "a sound file", "name a video"),
)


def file_kind(head: bytes, media: bool = True) -> FileKind | None:
    """The kind of a file that begins with ``head``; None if it is unknown.

    Args:
        media: whether the file should be an image or a video. The marks of some of those could also begin a
            text.
    """
    text = _text(head[:HEAD_BYTES])
    for pattern, name, fix in _GENERAL + (_MEDIA if media else ()):
        if re.match(pattern, text, re.DOTALL):
            return FileKind(name, fix)
    return None


def _text(head: bytes) -> str:
    """The bytes as characters; those of a text with a byte order mark without it, and from UTF-16."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
