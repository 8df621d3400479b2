"""HDR videos and images: tone-mapped as ffmpeg does it, and what cannot be converted."""

import io
import struct
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from t2vbatch.errors import EncodeError
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.images import decode_image
from t2vbatch.media.reading import DEFAULT, Reading
from tests.media.test_decoding import H265, ffmpeg
from tests.media.test_image_modes import png

WIDTH, HEIGHT = 128, 96
WHITE_NITS = 203


def hdr(path: Path, pixels: npt.NDArray[np.float64], transfer: str, *arguments: str) -> Path:
    """A video of one HDR frame: RGB values (H, W, 3), 0 to 1, in BT.2020. Encoders lose nothing but bits."""
    height, width = pixels.shape[:2]
    tags = f"color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    convert = f"scale=out_color_matrix=bt2020nc,format=yuv444p12le,setparams={tags}"
    words = f"-v error -y -f rawvideo -pix_fmt rgb48le -s {width}x{height} -r 5 -i - -vf {convert}"
    # The scale of ffmpeg reads and writes limited range as 16 bits with 65,280 as white.
    raw = np.rint(pixels * 65280).astype("<u2").tobytes()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *words.split(), *(arguments or ("-c:v", "ffv1")), str(path)]
    subprocess.run(command, input=raw, check=True)
    return path


def tone_mapped(path: Path, peak_nits: float) -> npt.NDArray[np.uint8]:
    """The first frame as ffmpeg's ``zscale`` and ``tonemap`` convert it."""
    chain = (
        f"zscale=t=linear:npl={WHITE_NITS},format=gbrpf32le,zscale=p=bt709,"
        f"tonemap=mobius:desat=0:peak={peak_nits / WHITE_NITS},"
        "zscale=t=iec61966-2-1:m=gbr:r=full,format=gbrp,format=rgb24"
    )
    command = f"-v error -i {path} -vf {chain} -frames:v 1 -f rawvideo -"
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), *command.split()], capture_output=True, check=True
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(HEIGHT, WIDTH, 3)


def ramps() -> npt.NDArray[np.float64]:
    """Greys in the upper third, colours of low to full saturation below."""
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    pixels = np.stack([across, down, (across + down) / 2], -1)
    pixels[: HEIGHT // 3] = np.linspace(0, 1, WIDTH)[None, :, None]
    return pixels


def level(shown: npt.NDArray[np.uint8]) -> int:
    """The value of a frame of one grey."""
    assert int(shown.max()) - int(shown.min()) <= 1
    return int(shown[0, 0, 0])


def test_pq_is_tone_mapped_as_ffmpeg_does_it(tmp_path: Path) -> None:
    """The pixels are those of zscale and tonemap; colours far outside sRGB may differ by rounding."""
    path = hdr(tmp_path / "a.mkv", ramps(), "smpte2084")
    shown, expected = decode_file(path, DEFAULT).frames[0], tone_mapped(path, 1000)
    different = np.abs(shown.astype(int) - expected)
    assert np.percentile(different, 99) <= 2
    assert different.max() <= 8
    assert different[: HEIGHT // 3].max() <= 1


def test_greys_of_hlg_are_those_of_ffmpeg(tmp_path: Path) -> None:
    """Greys are equal; ffmpeg's own OOTF is an approximation for each colour, BT.2100's is on luminance."""
    path = hdr(tmp_path / "a.mkv", ramps(), "arib-std-b67")
    shown, expected = decode_file(path, DEFAULT).frames[0], tone_mapped(path, 1000)
    assert np.abs(shown[: HEIGHT // 3].astype(int) - expected[: HEIGHT // 3]).max() <= 1


def test_the_ootf_of_hlg_keeps_hues(tmp_path: Path) -> None:
    """A grey and a colour of the same HLG signal: the OOTF multiplies all three channels by one number."""
    values = np.array([0.5, 0.45, 0.4])
    pixels = np.broadcast_to(values, (HEIGHT, WIDTH, 3))
    path = hdr(tmp_path / "a.mkv", pixels, "arib-std-b67")
    scene = np.where(
        values <= 0.5, values**2 / 3, (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12
    )
    light = scene * (scene @ (0.2627, 0.6780, 0.0593)) ** 0.2 * 1000 / WHITE_NITS
    matrix = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
    linear = matrix @ light
    assert linear.max() < 0.3, "below the knee of the curve, so that nothing is compressed"
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(decode_file(path, DEFAULT).frames[0, 40, 40] - expected).max() <= 1.5


@pytest.mark.parametrize(("transfer", "value"), [("smpte2084", 0.5807), ("arib-std-b67", 0.75)])
def test_diffuse_white_is_nearly_white(tmp_path: Path, transfer: str, value: float) -> None:
    """Diffuse white of 203 cd/m2 leaves room for highlights, and PQ and HLG show it alike."""
    path = hdr(tmp_path / "a.mkv", np.full((HEIGHT, WIDTH, 3), value), transfer)
    assert abs(level(decode_file(path, DEFAULT).frames[0]) - 214) <= 2


@pytest.mark.parametrize(
    ("tags", "peak_nits"),
    [
        ("max-cll=600,100", 600),
        ("master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)", 4000),
        ("", 1000),
    ],
    ids=["content", "display", "neither"],
)
def test_the_peak_is_that_of_the_file(tmp_path: Path, tags: str, peak_nits: float) -> None:
    """The brightest light of the content counts, else that of the studio's display, else 1,000 cd/m2."""
    options = ":".join(["log-level=0", "lossless=1", *([tags] if tags else [])])
    path = hdr(tmp_path / "a.mp4", ramps(), "smpte2084", "-c:v", "libx265", "-x265-params", options)
    shown, expected = decode_file(path, DEFAULT).frames[0], tone_mapped(path, peak_nits)
    assert np.abs(shown[: HEIGHT // 3].astype(int) - expected[: HEIGHT // 3]).max() <= 1


def test_a_turned_hdr_video_with_wide_pixels_is_upright(tmp_path: Path) -> None:
    """An HDR video with rotation and wide pixels is upright, with square pixels and the same colours."""
    pixels = np.zeros((HEIGHT, WIDTH, 3))
    pixels[: HEIGHT // 2] = 0.58
    plain = hdr(tmp_path / "a.mp4", pixels, "smpte2084", "-c:v", "libx265", "-aspect", "8:3")
    turned = ffmpeg(tmp_path / "b.mp4", f"-display_rotation 90 -i {plain} -c copy")
    shown = decode_file(turned, DEFAULT).frames[0]
    assert shown.shape == (2 * WIDTH, HEIGHT, 3)
    assert (int(shown[100, 10].min()), int(shown[100, -10].max())) >= (200, 0)
    assert int(shown[100, -10].max()) < 10


@pytest.mark.parametrize(("transfer", "value"), [(16, 148), (18, 191)], ids=["PQ", "HLG"])
def test_an_hdr_image_is_tone_mapped(transfer: int, value: int) -> None:
    """Diffuse white has the same value in an HDR image and in an HDR video."""
    image = decode_image(
        png(b"\0" + bytes((value,) * 3), (1, 1), 8, 2, (b"cICP", bytes((9, transfer, 0, 1))))
    )
    assert np.abs(np.asarray(image)[0, 0].astype(int) - 214).max() <= 3


def slope() -> npt.NDArray[np.float64]:
    """A slope of 8 steps in 8 bits."""
    return np.linspace(0.4, 0.43, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))


def hdr_png(kind: int, pixels: npt.NDArray[np.float64]) -> bytes:
    """A PNG of 16 bits of PQ. ``kind``: its colour type."""
    channels = {0: [0], 2: [0, 1, 2], 4: [0, 3], 6: [0, 1, 2, 3]}[kind]
    opaque = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], -1)[..., channels]
    rows = np.rint(opaque * 65535).astype(">u2").reshape(len(pixels), -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(raw, (WIDTH, HEIGHT), 16, kind, (b"cICP", bytes((9, 16, 0, 1))))


def hdr_avif(
    folder: Path, pixels: npt.NDArray[np.float64], pixel_range: str, matrix: str = "bt2020nc"
) -> bytes:
    """An AVIF of 10 bits of PQ. ``matrix``: ffmpeg's name of a matrix with the numbers of BT.2020."""
    encoder = ("-c:v", "libaom-av1", "-crf", "0", "-cpu-used", "8", "-still-picture", "1")
    convert = f"scale=out_color_matrix=bt2020nc:out_range={pixel_range},format=yuv444p10le"
    tags = f"setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace={matrix}:range={pixel_range}"
    video = hdr(folder / "a.mkv", pixels, "smpte2084")
    return ffmpeg(folder / "a.avif", f"-i {video} -vf {convert},{tags}", " ".join(encoder)).read_bytes()


@pytest.mark.parametrize("kind", [0, 2, 4, 6], ids=["grey", "colour", "grey and alpha", "colour and alpha"])
def test_all_bits_of_an_hdr_png_are_tone_mapped(kind: int) -> None:
    """A PNG of 16 bits has the pixels of a video, and no bands."""
    shown = np.asarray(decode_image(hdr_png(kind, slope())))[0, :, 0].astype(int)
    assert len(np.unique(shown)) > 11
    assert np.all(np.diff(shown) >= 0)
    white = np.full((HEIGHT, WIDTH, 3), 0.5807)
    assert abs(level(np.asarray(decode_image(hdr_png(kind, white)))) - 214) <= 1


@pytest.mark.parametrize("pixel_range", ["tv", "pc"])
def test_all_bits_of_an_hdr_avif_are_tone_mapped(tmp_path: Path, pixel_range: str) -> None:
    """An AVIF of 10 bits has the pixels of the video that it was made of."""
    shown = np.asarray(decode_image(hdr_avif(tmp_path, ramps(), pixel_range))).astype(int)
    expected = decode_file(tmp_path / "a.mkv", DEFAULT).frames[0]
    assert np.abs(shown[: HEIGHT // 3] - expected[: HEIGHT // 3]).max() <= 4
    assert np.percentile(np.abs(shown - expected), 95) <= 4
    steps = np.asarray(decode_image(hdr_avif(tmp_path, slope(), pixel_range)))[0, :, 0]
    assert len(np.unique(steps)) > 11


def test_an_hdr_avif_that_ffmpeg_cannot_convert_has_eight_bits(tmp_path: Path) -> None:
    """A matrix that is derived from the primaries is converted by Pillow."""
    white = np.full((HEIGHT, WIDTH, 3), 0.5807)
    data = hdr_avif(tmp_path, white, "pc", "chroma-derived-nc")
    # In 8 bits a step of PQ is six steps of sRGB.
    assert np.abs(np.asarray(decode_image(data)).astype(int) - 214).max() <= 12


def test_the_peak_of_an_hdr_png_is_that_of_the_file() -> None:
    """With a MaxCLL of 203 cd/m2 no highlight is compressed, so diffuse white is white."""
    light = (b"cLLI", struct.pack(">II", 203 * 10_000, 100 * 10_000))
    raw = b"\0" + struct.pack(">3H", *[round(0.5807 * 65535)] * 3)
    data = png(raw, (1, 1), 16, 2, (b"cICP", bytes((9, 16, 0, 1))), light)
    assert int(np.asarray(decode_image(data)).min()) >= 253


def test_an_hdr_avif_with_alpha_keeps_it() -> None:
    """The alpha of an AVIF, which only Pillow reads, is on the background."""
    image = Image.new("RGBA", (32, 16), (148, 148, 148, 0))
    image.paste((148, 148, 148, 255), (0, 0, 16, 16))
    out = io.BytesIO()
    image.save(out, "AVIF", quality=100)
    data = out.getvalue().replace(b"nclx\0\x01\0\x0d", b"nclx\0\x09\0\x10")
    shown = np.asarray(decode_image(data, Reading(background=(9, 90, 200)))).astype(int)
    assert np.abs(shown[8, 2] - 214).max() <= 3
    assert shown[8, -2].tolist() == [9, 90, 200]


def test_dolby_vision_without_a_base_is_refused(tmp_path: Path) -> None:
    """Profile 5 has colours of its own; its tag in mp4, and its metadata in a raw stream, name it."""
    tagged = ffmpeg(
        tmp_path / "a.mp4", f"-f lavfi -i testsrc2=size=64x48:rate=5:duration=0.4 {H265} -tag:v hvc1"
    )
    tagged.write_bytes(tagged.read_bytes().replace(b"hvc1", b"dvh1"))
    with pytest.raises(EncodeError, match="Dolby Vision without an HDR10 or SDR base"):
        decode_file(tagged, DEFAULT)


def test_dolby_vision_with_a_base_shows_the_base(tmp_path: Path) -> None:
    """Of Dolby Vision profile 8.4, which phones write, the HLG base is shown."""
    path = hdr(tmp_path / "a.mp4", ramps(), "arib-std-b67", "-c:v", "libx265", "-tag:v", "hvc1")
    expected = decode_file(path, DEFAULT).frames
    path.write_bytes(path.read_bytes().replace(b"hvc1", b"dvh1"))
    assert np.array_equal(decode_file(path, DEFAULT).frames, expected)
