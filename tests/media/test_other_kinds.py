"""Files that are neither a supported image nor a supported video: each is refused by the name of its kind."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from t2vbatch.errors import BrokenInputError, EncodeError
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.images import decode_image, image_fault
from t2vbatch.media.reading import DEFAULT
from tests.media.test_decoding import ffmpeg, reference
from tests.media.test_image_modes import tiff


def _saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (64, 64)).save(out, kind, **options)
    return out.getvalue()


def _tiff(tags: dict[int, int], subfile: int = 0) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {254: subfile, **tags}.items():
        directory[tag] = value
    return _saved("TIFF", tiffinfo=directory)


def _two_channels() -> bytes:
    """A TIFF of grey and alpha of 16 bits, which Pillow cannot open."""
    return tiff(bytes(8), (2, 1), t258=(16, 16), t262=1, t277=2, t338=2)


KINDS = {
    "HEIF with H.264": (b"\0\0\0\x18ftypavci\0\0\0\0mif1avci", "a HEIF image of an unusual codec"),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file (CR3)"),
    "CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(30), "raw file (CR2)"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", "raw file (RAF)"),
    "ORF": (b"IIRO\x08\0\0\0", "a camera's raw file"),
    "DNG": (_tiff({50706: 1}), "a camera's raw file"),
    "NEF": (_tiff({330: 8}, subfile=1), "a camera's raw file"),
    "JPEG XL": (b"\xff\x0a" + bytes(20), "a JPEG XL image"),
    "JPEG XL in a box": (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    "JPEG 2000": (_saved("JPEG2000"), "a JPEG 2000 image"),
    "SVG": (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg width="4"/>', "an SVG drawing"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
    "PSD": (b"8BPS\0\1" + bytes(20), "a Photoshop document"),
    "OpenEXR": (b"\x76\x2f\x31\x01" + bytes(20), "an OpenEXR image"),
    "Radiance": (b"#?RADIANCE\n", "a Radiance HDR image"),
    "DDS": (_saved("DDS"), "a DDS texture"),
    "ICO": (_saved("ICO"), "an icon (ICO)"),
    "PPM": (_saved("PPM"), "a Netpbm image"),
    "PGM of 16 bits": (_saved("PPM", "I;16"), "a Netpbm image"),
    "PBM": (_saved("PPM", "1"), "a Netpbm image"),
    "PCX": (_saved("PCX"), "a PCX image"),
    "SGI": (_saved("SGI"), "an SGI image"),
    "QOI": (_saved("QOI"), "a QOI image"),
    "ICNS": (_saved("ICNS"), "an icon (ICNS)"),
    "JPEG-LS": (b"\xff\xd8\xff\xf7\0\x0b\x08", "a JPEG-LS image"),
    "JPEG XR": (b"II\xbc\x01" + bytes(20), "a JPEG XR image"),
    "WMF": (b"\xd7\xcd\xc6\x9a" + bytes(40), "a Windows metafile"),
    "EMF": (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(20), "a Windows metafile"),
    "DPX": (b"SDPX" + bytes(40), "a DPX or Cineon image"),
    "DICOM": (bytes(128) + b"DICM" + bytes(20), "a DICOM file"),
    "MRW": (b"\0MRM" + bytes(20), "a camera's raw file"),
    "TIFF of two channels": (_two_channels(), "a TIFF of a mode that is not read"),
    "Base64": (base64.b64encode(_saved("PNG")), "an image in Base64"),
    "a data URL": (b"data:image/png;base64,iVBORw0K", "the text of a data: URL"),
    "an answer of a server": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "XML"),
    "JSON": (b'{"error": "not found"}', "JSON"),
    "SVG with a mark": (b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "SVG in UTF-16": ("<?xml version='1.0'?>\n<svg/>".encode("utf-16"), "an SVG drawing"),
    "an answer with a mark": (b"\xef\xbb\xbf<Error><Code>AccessDenied</Code></Error>", "XML"),
    "JSON with a mark": (b'\xef\xbb\xbf{"error": "not found"}', "JSON"),
    "a page with a mark": (b"\xef\xbb\xbf<!-- x --><html>", "an HTML page"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0Mac OS X", "AppleDouble"),
    "RAR": (b"Rar!\x1a\7\1\0", "a RAR archive"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
    "a page": (b"<!DOCTYPE html><html>", "an HTML page"),
    "ZIP": (b"PK\3\4" + bytes(40), "a ZIP archive"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "gzip-compressed data"),
    "an array": (b"\x93NUMPY\1\0", "a NumPy array"),
    "nothing": (b"", "an empty file"),
}


@pytest.mark.parametrize("name", KINDS)
def test_an_image_of_another_kind_is_refused_by_name(name: str) -> None:
    """The check before a run, the image reader and the video reader name the same kind."""
    data, says = KINDS[name]
    assert says in str(image_fault(data))
    with pytest.raises(BrokenInputError) as caught:
        decode_image(data)
    assert says in str(caught.value)
    with pytest.raises(EncodeError) as refused:
        decode_file(data, DEFAULT)
    assert says in str(refused.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_damaged_header_is_named(kind: str) -> None:
    """A file that begins like an image is a damaged one, not one of an unknown kind."""
    end = {"PNG": 30, "JPEG": 20}[kind]
    assert image_fault(_saved(kind)[:end]) == "a damaged PNG or JPEG"


@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "avi", "flv", "mpg", "wmv", "ogv"])
def test_a_video_is_no_image(tmp_path: Path, kind: str) -> None:
    """A video in a column of images is named as one."""
    path = ffmpeg(tmp_path / f"v.{kind}", "-f lavfi -i testsrc=size=64x64:rate=25:duration=0.1")
    assert "a video, not an image" in str(image_fault(path.read_bytes()))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"#EXTM3U\n#EXTINF:1,\na.ts\n", "a playlist"),
        (b"ffconcat version 1.0\nfile a.mp4\n", "a playlist"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound file"),
        (b"ID3\4\0", "a sound file"),
    ],
)
def test_a_video_of_another_kind_is_refused_by_name(data: bytes, says: str) -> None:
    """Videos of other kinds are refused by name, among them playlists, which name other files."""
    with pytest.raises(EncodeError, match=says):
        decode_file(data, DEFAULT)


def test_an_uncompressed_tiff_in_ycbcr_is_refused(tmp_path: Path) -> None:
    """Pillow would show wrong colours; a compressed one is right."""
    scene = "-f lavfi -i testsrc2=size=64x48:rate=1:duration=1 -frames:v 1 -pix_fmt yuv444p"
    plain = ffmpeg(tmp_path / "a.tiff", scene, "-compression_algo raw").read_bytes()
    assert image_fault(plain) == "a TIFF with uncompressed YCbCr; save it as RGB"
    packed = ffmpeg(tmp_path / "b.tiff", scene, "-compression_algo lzw")
    shown = np.asarray(decode_image(packed.read_bytes())).astype(int)
    assert np.abs(shown - reference(packed)[0]).mean() <= 1


def test_a_palette_image_without_a_palette_is_broken() -> None:
    """The check before a run finds a palette image without a palette."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0\1")) + chunk(b"IEND", b"")
    assert image_fault(data) == "a palette image without a palette"
    with pytest.raises(BrokenInputError, match="a broken image"):
        decode_image(data)


@pytest.mark.parametrize("default_image", [True, False])
def test_the_still_image_of_an_apng_is_no_frame(default_image: bool) -> None:
    """A program that shows no animation shows it, and so does a column of images."""
    out = io.BytesIO()
    shown = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    images = [Image.new("RGB", (4, 4), "green"), *shown] if default_image else shown
    images[0].save(
        out, "PNG", save_all=True, append_images=images[1:], default_image=default_image, duration=40
    )
    video = decode_file(out.getvalue(), DEFAULT)
    assert video.frames[:, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert video.fps == 25
    assert decode_image(out.getvalue()).getpixel((0, 0)) == ((0, 128, 0) if default_image else (255, 0, 0))


def test_one_jpeg_after_another_is_a_video(tmp_path: Path) -> None:
    """Raw motion JPEG has all of its frames, at the rate that ffmpeg gives it."""
    path = ffmpeg(tmp_path / "a.mjpeg", "-f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -c:v mjpeg")
    video = decode_file(path, DEFAULT)
    assert (video.frames.shape, video.fps) == ((10, 48, 64, 3), 25)
    assert not np.array_equal(video.frames[0], video.frames[-1])


@pytest.mark.parametrize(
    ("file", "codec"),
    [
        ("a.y4m", "-pix_fmt yuv420p"),
        ("a.y4m", "-pix_fmt yuv444p10le -strict -1"),
        ("a.y4m", "-pix_fmt yuv411p"),
        ("a.y4m", "-pix_fmt gray"),
        ("a.ts", "-c:v mpeg2video"),
        ("a.m2ts", "-c:v mpeg2video"),
    ],
)
def test_a_raw_stream_that_ends_in_the_middle_of_a_frame_is_damaged(
    tmp_path: Path, file: str, codec: str
) -> None:
    """The whole file is read; without its last bytes it is refused."""
    path = ffmpeg(tmp_path / file, "-f lavfi -i testsrc2=size=66x46:rate=10:duration=1", codec)
    assert len(decode_file(path, DEFAULT).frames) == 10
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(EncodeError, match=r"a damaged video: its last (frame|packet) is incomplete"):
        decode_file(path, DEFAULT)
