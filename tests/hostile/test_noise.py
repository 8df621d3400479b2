"""Damaged media print nothing: neither Pillow's warnings nor the text of a C library reach the terminal."""

import subprocess
import sys

_DECODE = """
import io
from PIL import Image
from t2vbatch.media.images import image_fault
from tests.hostile.media import IMAGES

def saved(kind, **options):
    sink = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(sink, kind, **options)
    return sink.getvalue()

tiffs = [saved("TIFF", compression=name) for name in ("tiff_deflate", "tiff_lzw", "packbits", "jpeg")]
assert all(image_fault(data) is None for data in tiffs)
broken = [data[:100] + b"\\xff" * 40 + data[140:] for data in tiffs]
SAMPLES_PER_PIXEL = b"\\x15\\x01\\x03\\x00\\x01\\x00\\x00\\x00"
many = saved("TIFF").replace(SAMPLES_PER_PIXEL + b"\\x03", SAMPLES_PER_PIXEL + b"\\x99")
faults = [image_fault(data) for data in (*broken, many, *(make() for make in IMAGES))]
assert all(faults[:3]) and faults[4], faults
"""


def test_decoders_of_images_print_nothing() -> None:
    """Decoders of images print nothing: the reason is only in the error of the row."""
    found = subprocess.run([sys.executable, "-c", _DECODE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr, found.stdout) == (0, "", "")
