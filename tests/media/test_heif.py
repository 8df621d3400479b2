"""HEIC images of phones and cameras: turned once, in sRGB, with their depth, and refused where damaged."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image

from t2vbatch.errors import BrokenInputError, EncodeError
from t2vbatch.job import Limits
from t2vbatch.manifest import check_manifest, read_manifest
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.frame_folder import unpack_frames
from t2vbatch.media.images import decode_image, image_fault
from t2vbatch.media.reading import DEFAULT, Reading
from tests.media.test_decoding import H265, SCENE, ffmpeg
from tests.media.test_image_modes import RAMP, SHOWN, display_p3, hidden_red

LOSSLESS: dict[str, Any] = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def heic(*images: Image.Image, **options: Any) -> bytes:
    """A HEIC file of these images; the first is the primary one."""
    file = pillow_heif.from_pillow(images[0])
    for image in images[1:]:
        file.add_from_pillow(image)
    out = io.BytesIO()
    file.save(out, **(LOSSLESS | options))
    return out.getvalue()


def deep(values: npt.NDArray[Any], mode: str = "RGB;16", **options: Any) -> bytes:
    """A HEIC file of 10 bits; ``values``: 16-bit, (H, W) or (H, W, channels)."""
    out = io.BytesIO()
    height, width = values.shape[:2]
    data = np.ascontiguousarray(values.astype("<u2")).tobytes()
    pillow_heif.encode(mode, (width, height), data, out, **(LOSSLESS | options))
    return out.getvalue()


def solid(colour: str, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """An image of one colour."""
    return Image.new("RGB", size, colour)


def ramp(channels: int = 3) -> npt.NDArray[Any]:
    """The ramp of 16 bits over 64 columns."""
    values = np.tile(RAMP[None, :, None], (64, 1, channels))
    return values[..., 0] if channels == 1 else values


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_once(orientation: int) -> None:
    """The container turns the pixels, and the EXIF orientation of the same file does not turn them again."""
    scene = solid("black", (96, 64))
    scene.paste("white", (0, 0, 32, 32))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = scene.transpose(Image.Transpose(back[orientation])) if orientation > 1 else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decode_image(heic(stored, exif=exif.tobytes()))
    assert shown.size == (96, 64)
    assert np.array_equal(np.asarray(shown), np.asarray(scene))


def test_a_profile_becomes_srgb() -> None:
    """Display P3 (180, 80, 80), by a profile or by its numbers, is sRGB (194, 72, 76)."""
    image = Image.new("RGB", (64, 64), (180, 80, 80))
    named = {"color_primaries": 12, "transfer_characteristics": 13, "full_range_flag": 1}
    for options in ({"icc_profile": display_p3()}, named):
        assert decode_image(heic(image, **options)).getpixel((5, 5)) == (194, 72, 76)


@pytest.mark.parametrize("background", [(255, 255, 255), (9, 90, 200)])
def test_hidden_colours_never_show(background: tuple[int, int, int]) -> None:
    """A transparent pixel is the job's background."""
    data = heic(hidden_red("RGBA").resize((128, 64), Image.Resampling.NEAREST))
    shown = np.asarray(decode_image(data, Reading(background=background)))
    assert (shown[0, 0].tolist(), shown[0, -1].tolist()) == ([0, 0, 255], list(background))


@pytest.mark.parametrize(("mode", "channels"), [("RGB;16", 3), ("I;16", 1)])
def test_ten_bits_are_the_same_ramp(mode: str, channels: int) -> None:
    """Colour and grey of 10 bits are scaled to 0..255."""
    shown = np.asarray(decode_image(deep(ramp(channels), mode)))
    assert np.abs(shown[0, ::9].astype(int) - np.array(SHOWN)[:, None]).max() <= 1


@pytest.mark.parametrize(("transfer", "signal"), [(16, 0.5807), (18, 0.75)], ids=["PQ", "HLG"])
def test_hdr_is_tone_mapped(transfer: int, signal: float) -> None:
    """Diffuse white is 214, as in videos."""
    tags: dict[str, Any] = {"color_primaries": 9, "transfer_characteristics": transfer, "full_range_flag": 1}
    white = np.full((64, 64, 3), signal * 65535)
    assert abs(int(np.asarray(decode_image(deep(white, **tags)))[5, 5, 0]) - 214) <= 2


def test_all_bits_of_hdr_are_tone_mapped() -> None:
    """A slope of 8 steps in 8 bits of PQ has more steps when it is shown."""
    slope = np.linspace(0.4, 0.43, 64)[None, :, None] * np.full((64, 1, 3), 65535)
    tags: dict[str, Any] = {"color_primaries": 9, "transfer_characteristics": 16, "full_range_flag": 1}
    shown = np.asarray(decode_image(deep(slope, **tags)))[0, :, 0]
    assert len(np.unique(shown)) > 11
    assert np.all(np.diff(shown.astype(int)) >= 0)


def test_the_peak_of_hdr_is_that_of_the_file() -> None:
    """With MaxCLL 203 no highlight is compressed, so diffuse white is white."""
    tags: dict[str, Any] = {"color_primaries": 9, "transfer_characteristics": 16, "full_range_flag": 1}
    light = {"max_content_light_level": 203, "max_pic_average_light_level": 100}
    data = deep(np.full((64, 64, 3), 0.5807 * 65535), **tags, content_light_level=light)
    assert int(np.asarray(decode_image(data))[5, 5].min()) >= 253


def test_of_several_images_an_image_is_the_primary_one_and_a_video_all() -> None:
    """A burst of photos: the primary one in a column of images, all of them as frames."""
    data = heic(solid("red"), solid("lime"), solid("blue"), primary_index=1)
    assert np.asarray(decode_image(data))[0, 0].argmax() == 1
    frames = decode_file(data, DEFAULT).frames
    assert np.abs(frames[:, 0, 0].astype(int) - 255 * np.eye(3, dtype=int)).max() <= 1
    with pytest.raises(EncodeError, match="pages of different sizes"):
        decode_file(heic(solid("red"), solid("lime", (48, 64))), DEFAULT)


def test_a_sequence_is_a_video(tmp_path: Path) -> None:
    """A sequence of images has a video track, which is read; as an image it is refused."""
    data = ffmpeg(tmp_path / "a.mp4", f"-f lavfi -i {SCENE}", f"{H265} -brand hevc").read_bytes()
    assert data[8:12] == b"hevc"
    assert len(decode_file(data, DEFAULT).frames) == 10
    with pytest.raises(BrokenInputError, match="HEIC"):
        decode_image(data)


def test_a_tiled_photo_is_whole() -> None:
    """The grid of tiles that cameras write is one image."""
    values = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    image = Image.fromarray(values)
    assert np.array_equal(np.asarray(decode_image(heic(image, tile_size=64))), values)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("thumbnails", [[], [64]])
def test_a_truncated_photo_is_refused(share: float, thumbnails: list[int]) -> None:
    """The check before a run and the decoder refuse it with one text, also where its thumbnail is whole."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    data = heic(Image.fromarray(noise), thumbnails=thumbnails)
    assert image_fault(data) is None
    cut = data[: int(len(data) * share)]
    reason = image_fault(cut)
    assert reason is not None
    assert "damaged HEIC image" in reason
    with pytest.raises(BrokenInputError) as error:
        decode_image(cut)
    assert str(error.value).endswith(reason)


def test_a_photo_beyond_a_limit_names_the_limit() -> None:
    """The size in the header is checked before a pixel is decoded."""
    limits = Limits(media_pixels=64 * 48 - 1)
    assert "limits.media_pixels" in str(image_fault(heic(solid("red")), limits))
    pages = heic(solid("red"), solid("blue"))
    with pytest.raises(EncodeError, match=r"limits\.media_frames"):
        decode_file(pages, Reading(Limits(media_frames=1)))


def test_damaged_bytes_raise_only_the_error_of_decoding() -> None:
    """Whatever bytes change, the photo is decoded or refused by a text of one line without addresses."""
    data, random = heic(solid("red"), exif=Image.Exif().tobytes()), np.random.default_rng(0)
    texts = set()
    for _ in range(120):
        damaged = bytearray(data)
        for place in random.integers(12, random.choice([80, len(data)]), 2):
            damaged[place] = random.integers(256)
        try:
            decode_image(bytes(damaged))
        except BrokenInputError as error:
            texts.add(str(error))
    assert texts
    assert [text for text in texts if " at 0x" in text or "\n" in text] == []


def test_a_manifest_takes_photos_and_folders_of_them(tmp_path: Path) -> None:
    """HEIC files are read in a column of images and in a folder of frames."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, name in enumerate(("10.HEIC", "9.heif")):
        (folder / name).write_bytes(heic(solid(("blue", "red")[index])))
    (tmp_path / "IMG_0001.HEIC").write_bytes(heic(solid("red")))
    (tmp_path / "m.csv").write_text("prompt,image,control\na,IMG_0001.HEIC,frames\n")
    assert check_manifest(str(tmp_path / "m.csv")) == ()
    row = read_manifest(str(tmp_path / "m.csv")).row(0)
    assert decode_image(row.media["image"].read()).getpixel((0, 0)) == (255, 0, 0)
    files = unpack_frames(row.media["control"].read())
    assert files is not None
    assert [decode_image(file).getpixel((0, 0)) for file in files] == [(255, 0, 0), (0, 0, 255)]


def test_without_the_extra_a_heic_image_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that reads HEIC is an extra, and the message names it."""
    monkeypatch.setattr("t2vbatch.media.heif.find_spec", lambda name: None)
    with pytest.raises(BrokenInputError, match=r"HEIC.*pip install 't2vbatch\[heic\]'"):
        decode_image(heic(solid("red")))
