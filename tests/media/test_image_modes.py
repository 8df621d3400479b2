"""Images of every mode arrive as their right 8-bit sRGB, or are refused with the reason."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from t2vbatch.errors import RowError
from t2vbatch.job import Limits
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.images import decode_animation, decode_image, image_fault
from t2vbatch.media.reading import DEFAULT, Reading, colour

RAMP = np.arange(64) * 65535 // 63
SHOWN = [0, 36, 73, 109, 146, 182, 219, 255]
"""Every ninth value of the ramp in 8 bits."""


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as a file."""
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def row(data: bytes, how: Reading = DEFAULT) -> npt.NDArray[np.uint8]:
    """The first row of the decoded image."""
    pixels: npt.NDArray[np.uint8] = np.asarray(decode_image(data, how))[0]
    return pixels


def ramp(kind: type, top: int = 65535) -> Image.Image:
    """The ramp as a picture of 4 rows, scaled to 0..top."""
    values = RAMP * top / 65535 if kind is np.float32 else np.rint(RAMP * top / 65535)
    return Image.fromarray(np.tile(values.astype(kind), (4, 1)))


def tags(**values: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Tags of a TIFF by number, as ``t281=4095``."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in values.items():
        directory[int(name[1:])] = value
    return directory


def tiff(pixels: bytes, size: tuple[int, int], **values: int | tuple[int, ...]) -> bytes:
    """An uncompressed little-endian TIFF that is built from its tags."""
    entries: dict[int, int | tuple[int, ...]] = {
        256: size[0],
        257: size[1],
        259: 1,
        273: 0,
        277: 1,
        278: size[1],
        279: len(pixels),
    }
    entries |= {int(name[1:]): value for name, value in values.items()}
    start = 8 + 2 + 12 * len(entries) + 4
    body, more = b"", b""
    for tag, value in sorted(entries.items()):
        parts = value if isinstance(value, tuple) else (value,)
        data = struct.pack(f"<{len(parts)}I", *parts)
        if len(parts) > 1:
            data, more = struct.pack("<I", start + len(more)), more + data
        body += struct.pack("<HHI", tag, 4, len(parts)) + data
    offset = start + len(more)
    at = body.index(struct.pack("<HHI", 273, 4, 1))
    body = body[: at + 8] + struct.pack("<I", offset) + body[at + 12 :]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + more + pixels


def twelve_bits(values: npt.NDArray[np.int64]) -> bytes:
    """Values 0..4095, two of them in three bytes, as a TIFF packs them."""
    first, second = values[::2], values[1::2]
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()


def png(pixels: bytes, size: tuple[int, int], depth: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with these raw rows, each behind its filter byte, and more chunks before them."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    middle = b"".join(chunk(*one) for one in chunks)
    rows = chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + rows + chunk(b"IEND", b"")


DEEP = {
    "16-bit PNG": saved(ramp(np.uint16)),
    "16-bit TIFF": saved(ramp(np.uint16), "TIFF"),
    "16-bit TIFF, big-endian": saved(Image.fromarray(np.tile(RAMP.astype(">u2"), (4, 1))), "TIFF"),
    "16-bit TIFF, compressed": saved(ramp(np.uint16), "TIFF", compression="tiff_lzw"),
    "16-bit TIFF, white is zero": tiff((65535 - RAMP).astype("<u2").tobytes(), (64, 1), t258=16, t262=0),
    "12-bit TIFF": tiff(twelve_bits(np.rint(RAMP / 65535 * 4095).astype(np.int64)), (64, 1), t258=12, t262=1),
    "12 bits in 16": saved(ramp(np.uint16, 4095), "TIFF", tiffinfo=tags(t281=4095)),
    "14 bits in 16": saved(ramp(np.uint16, 16383), "TIFF", tiffinfo=tags(t281=16383)),
    "signed 16-bit TIFF": tiff((RAMP // 2).astype("<i2").tobytes(), (64, 1), t258=16, t262=1, t339=2),
    "32-bit TIFF": saved(ramp(np.int32), "TIFF"),
    "unsigned 32-bit TIFF": tiff(RAMP.astype("<u4").tobytes(), (64, 1), t258=32, t262=1, t339=1),
    "float TIFF": saved(Image.fromarray(np.tile((RAMP / 65535).astype(np.float32), (4, 1))), "TIFF"),
    "float TIFF, white is zero": tiff(
        (1 - RAMP / 65535).astype("<f4").tobytes(), (64, 1), t258=32, t262=0, t339=3
    ),
    "8-bit PNG": saved(ramp(np.uint8, 255)),
    "16-bit RGB PNG": png(b"\0" + np.repeat(RAMP, 3).astype(">u2").tobytes(), (64, 1), 16, 2),
    "16-bit RGB TIFF": tiff(
        np.repeat(RAMP, 3).astype("<u2").tobytes(), (64, 1), t258=(16, 16, 16), t262=2, t277=3
    ),
    "16-bit grey PNG with alpha": png(
        b"\0" + np.stack([RAMP, RAMP * 0 + 65535], 1).astype(">u2").tobytes(), (64, 1), 16, 4
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_a_ramp_of_any_depth_is_the_same_ramp(name: str) -> None:
    """The range of each depth is scaled to 0..255, and no value is clipped."""
    assert image_fault(DEEP[name]) is None
    shown = row(DEEP[name])
    assert shown[::9].tolist() == [[value] * 3 for value in SHOWN]


REFUSED = {
    "float above 1": saved(Image.fromarray(np.full((2, 2), 1.5, np.float32)), "TIFF"),
    "float below 0": saved(Image.fromarray(np.full((2, 2), -0.1, np.float32)), "TIFF"),
    "float NaN": saved(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"),
    "float infinity": saved(Image.fromarray(np.full((2, 2), np.inf, np.float32)), "TIFF"),
    "32 bits beyond 16": saved(Image.fromarray(np.full((2, 2), 70000, np.int32)), "TIFF"),
    "32 bits below 0": saved(Image.fromarray(np.full((2, 2), -1, np.int32)), "TIFF"),
    "signed 16 bits below 0": tiff(np.full(4, -5, "<i2").tobytes(), (2, 2), t258=16, t262=1, t339=2),
    "signed 8 bits": tiff(np.full(4, -5, "i1").tobytes(), (2, 2), t258=8, t262=1, t339=2),
    "64-bit floats": tiff(np.full(4, 0.5).tobytes(), (2, 2), t258=64, t262=1, t339=3),
    "RGB floats": tiff(np.full(12, 0.5, "<f4").tobytes(), (2, 2), t258=(32, 32, 32), t262=2, t277=3, t339=3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_without_a_meaning_are_refused(name: str) -> None:
    """The check before a run and the decoder both refuse, with the same text each time."""
    assert image_fault(REFUSED[name]) == image_fault(REFUSED[name]) is not None
    with pytest.raises(
        RowError, match=r"values from|values that are|signed values|a TIFF of a mode that is not read"
    ) as error:
        decode_image(REFUSED[name])
    assert " at 0x" not in str(error.value)


def hidden_red(mode: str) -> Image.Image:
    """Two pixels: opaque blue, and red that is fully transparent."""
    image = Image.new("RGBA", (2, 1), (0, 0, 255, 255))
    image.putpixel((1, 0), (255, 0, 0, 0))
    return image.convert(mode) if mode != "RGBA" else image


def _palette_png(alpha: bytes) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.putpixel((1, 0), 1)
    return saved(image, transparency=alpha)


ALPHA = {
    "PNG": saved(hidden_red("RGBA")),
    "WebP": saved(hidden_red("RGBA"), "WEBP", lossless=True, exact=True),
    "TIFF": saved(hidden_red("RGBA"), "TIFF"),
    "AVIF": saved(
        hidden_red("RGBA").resize((16, 8), Image.Resampling.NEAREST), "AVIF", quality=100, subsampling="4:4:4"
    ),
    "palette PNG": _palette_png(b"\xff\x00"),
    "GIF": saved(Image.open(io.BytesIO(_palette_png(b"\xff\x00"))), "GIF", transparency=1),
    "RGB with a transparent colour": png(
        b"\0\0\0\xff\xff\0\0", (2, 1), 8, 2, (b"tRNS", bytes((0, 255, 0, 0, 0, 0)))
    ),
    "16-bit RGB with a transparent colour": png(
        b"\0" + struct.pack(">6H", 0, 0, 65535, 65535, 0, 0),
        (2, 1),
        16,
        2,
        (b"tRNS", struct.pack(">3H", 65535, 0, 0)),
    ),
}


@pytest.mark.parametrize("background", ["white", "black", "gray", "#10c020"])
@pytest.mark.parametrize("name", ALPHA)
def test_hidden_colours_never_show(name: str, background: str) -> None:
    """A fully transparent pixel is the job's background; an opaque one keeps its colour."""
    shown = row(ALPHA[name], Reading(background=colour(background))).astype(int)
    assert np.abs(shown[0] - (0, 0, 255)).max() <= (6 if name == "AVIF" else 0)
    assert np.abs(shown[-1] - colour(background)).max() <= (6 if name == "AVIF" else 0)


@pytest.mark.parametrize(
    ("depth", "kept", "hidden"), [(1, 0, 1), (1, 1, 0), (2, 0, 3), (4, 1, 15), (8, 7, 255), (16, 7, 65535)]
)
def test_a_transparent_grey_has_the_depth_of_the_file(depth: int, kept: int, hidden: int) -> None:
    """A PNG names its transparent grey in its own depth."""
    bits = f"{kept:0{depth}b}{hidden:0{depth}b}".ljust(8, "0")
    pixels = int(bits, 2).to_bytes(max(1, len(bits) // 8), "big")
    data = png(b"\0" + pixels, (2, 1), depth, 0, (b"tRNS", struct.pack(">H", hidden)))
    shown = row(data, Reading(background=(9, 90, 200)))
    assert shown.tolist() == [[round(kept * 255 / (2**depth - 1))] * 3, [9, 90, 200]]


def test_half_transparent_pixels_are_mixed() -> None:
    """A half-transparent pixel is half of its colour and half of the background (straight alpha)."""
    image = Image.new("RGBA", (1, 1), (200, 100, 0, 128))
    assert row(saved(image), Reading(background=(0, 0, 0))).tolist() == [[100, 50, 0]]
    grey = Image.new("LA", (1, 1), (200, 128))
    assert row(saved(grey), Reading(background=(0, 0, 0))).tolist() == [[100, 100, 100]]


P3_CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
PIXEL = b"\0" + bytes((180, 80, 80))


def display_p3() -> bytes:
    """An ICC profile of Display P3: the built-in sRGB one with other primaries."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    primaries = {b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    primaries[b"bXYZ"] = (0.1571, 0.06657, 0.78407)
    data = bytearray(srgb)
    for index in range(struct.unpack_from(">I", srgb, 128)[0]):
        name, offset = struct.unpack_from(">4sI", srgb, 132 + 12 * index)
        if name in primaries:
            values = (round(value * 65536) for value in primaries[name])
            struct.pack_into(">3i", data, offset + 8, *values)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_a_profile_is_converted_to_srgb(kind: str) -> None:
    """Display P3 (180, 80, 80) is sRGB (194, 72, 76)."""
    options: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100},
    }
    image = Image.new("RGB", (16, 16), (180, 80, 80))
    shown = row(saved(image, kind, icc_profile=display_p3(), **options.get(kind, {})))[0].astype(int)
    assert np.abs(shown - (194, 72, 76)).max() <= (0 if kind in ("PNG", "TIFF", "WEBP") else 2)


@pytest.mark.parametrize("mode", ["P", "RGBA", "L"])
def test_a_profile_of_rgb_applies_to_other_modes(mode: str) -> None:
    """Palettes and alpha are converted before the profile is applied; grey stays grey."""
    image = Image.new("RGB", (2, 1), (180, 80, 80))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    shown = row(saved(image, icc_profile=display_p3()))[0].tolist()
    if mode == "L":
        assert max(shown) - min(shown) <= 1
    else:
        assert shown == [194, 72, 76]


def test_a_profile_of_srgb_and_a_broken_one_change_nothing() -> None:
    """Every value stays as it is, for sRGB itself and for bytes that are not a profile."""
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile", srgb[:200]):
        data = saved(Image.fromarray(values), icc_profile=profile)
        assert np.array_equal(np.asarray(decode_image(data)), values)


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([(b"cICP", bytes((12, 13, 0, 1)))], (194, 72, 76)),
        ([(b"cICP", bytes((1, 13, 0, 1)))], (180, 80, 80)),
        ([(b"cHRM", P3_CHROMATICITIES), (b"gAMA", struct.pack(">I", 45455))], (194, 72, 76)),
        ([(b"gAMA", struct.pack(">I", 45455))], (180, 80, 80)),
        ([(b"gAMA", struct.pack(">I", 100000))], (219, 152, 152)),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100000))], (180, 80, 80)),
    ],
    ids=["cICP P3", "cICP sRGB", "cHRM P3", "gamma of sRGB", "linear", "sRGB wins"],
)
def test_a_png_names_its_colours_in_chunks(chunks: list[tuple[bytes, bytes]], shown: tuple[int, ...]) -> None:
    """Chunks are read as browsers read them."""
    assert row(png(PIXEL, (1, 1), 8, 2, *chunks)).tolist() == [list(shown)]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_of_an_avif_comes_before_its_profile(transfer: int) -> None:
    """An HDR image is never shown as SDR: its white of 10,000 or 1,000 cd/m2 is white, its middle darker."""
    avif = saved(Image.new("RGB", (16, 16), (128, 128, 128)), "AVIF").replace(
        b"nclx\0\x01\0\x0d", b"nclx\0\x09\0" + bytes((transfer,))
    )
    shown = int(np.asarray(decode_image(avif))[8, 8, 0])
    assert abs(shown - {16: 178, 18: 139}[transfer]) <= 3


def test_a_damaged_exif_turns_nothing() -> None:
    """A PNG whose EXIF text is damaged, as some converters write it, has its pixels."""
    chunk = (b"tEXt", b"Raw profile type exif\0\nexif\n      12\n4578696600004d4dzz\n")
    data = png(PIXEL, (1, 1), 8, 2, chunk)
    assert image_fault(data) is None
    assert row(data).tolist() == [[180, 80, 80]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    """Without a profile, red in CMYK becomes red in RGB."""
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(row(saved(image, kind))[0].astype(int) - (255, 0, 0)).max() <= 3


def test_lab_and_ycbcr_become_rgb() -> None:
    """CIE Lab of D50 (54, 81, 70) and YCbCr (76, 85, 255) are red."""
    lab = Image.new("LAB", (2, 2), (138, 128 + 81, 128 + 70))
    assert np.abs(row(saved(lab, "TIFF"))[0].astype(int) - (255, 0, 0)).max() <= 6
    ycbcr = Image.new("YCbCr", (2, 2), (76, 85, 255))
    assert np.abs(row(saved(ycbcr, "TIFF"))[0].astype(int) - (254, 0, 0)).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    """Whatever the camera wrote, the corner of the scene that is marked is at the top left."""
    scene = Image.new("RGB", (48, 32), "black")
    scene.paste("white", (0, 0, 16, 16))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = scene.transpose(Image.Transpose(back[orientation])) if orientation > 1 else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decode_image(saved(stored, kind, exif=exif, quality=95))
    assert shown.size == (48, 32)
    assert np.asarray(shown)[:12, :12].min() > 200
    assert np.asarray(shown)[20:, 20:].max() < 60


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "JPEG"])
def test_tiny_and_long_images_are_read(kind: str, size: tuple[int, int]) -> None:
    """Images with a side of one pixel are read."""
    data = saved(Image.new("RGB", size, (10, 200, 30)), kind)
    assert image_fault(data) is None
    assert decode_image(data).size == size


def _animated(kind: str) -> bytes:
    frames = [Image.new("RGBA", (8, 6), (60 * index, 0, 0, 255)) for index in range(4)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_an_animation_is_its_first_frame_or_a_video(kind: str) -> None:
    """As an image it is its first frame; as a video all of its frames, at its rate."""
    data = _animated(kind)
    assert np.abs(np.asarray(decode_image(data)).astype(int) - (0, 0, 0)).max() <= 8
    decoded = decode_file(data, DEFAULT)
    assert decoded.frames.shape == (4, 6, 8, 3)
    assert np.abs(decoded.frames[:, 0, 0, 0].astype(int) - (0, 60, 120, 180)).max() <= 12
    assert decoded.fps == pytest.approx(8.0 if kind == "TIFF" else 10.0)


def test_thumbnails_of_a_tiff_are_left_out() -> None:
    """A page that is marked as a reduced copy is neither the image nor a frame."""
    data = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(data) as writer:
        Image.new("L", (4, 4), 9).save(writer, "TIFF", tiffinfo=tags(t254=1))
        writer.newFrame()
        Image.new("L", (8, 8), 200).save(writer, "TIFF")
        writer.newFrame()
    assert decode_image(data.getvalue()).size == (8, 8)
    assert len(decode_animation(data.getvalue(), DEFAULT)[0]) == 1


def test_a_stereo_photograph_is_one_image() -> None:
    """A camera's JPEG may hold further pictures (MPO); only the photograph counts."""
    data = saved(
        Image.new("RGB", (8, 8), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    assert image_fault(data) is None
    assert decode_image(data).size == (8, 8)
    assert len(decode_animation(data, DEFAULT)[0]) == 1


@pytest.mark.parametrize("key", ["media_pixels", "media_frames", "media_bytes", "media_decode_s"])
def test_an_animation_beyond_a_limit_names_the_limit(key: str) -> None:
    """An animation beyond a limit is refused by the name of the limit."""
    low: dict[str, Any] = {
        "media_pixels": 47,
        "media_frames": 3,
        "media_bytes": 8 * 6 * 3 * 4 - 1,
        "media_decode_s": 1e-9,
    }
    with pytest.raises(RowError, match=f"limits.{key} in the job raises this"):
        decode_animation(_animated("WEBP"), Reading(Limits(**{key: low[key]})))


def test_a_limit_above_pillows_own_is_kept() -> None:
    """A job may allow more than the 179 million pixels that Pillow allows."""
    data = saved(Image.new("1", (14_000, 13_000)))
    assert "limits.media_pixels" in (image_fault(data) or "")
    assert image_fault(data, Limits(media_pixels=200_000_000)) is None
