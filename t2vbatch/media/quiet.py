"""Keeps image decoders from printing: what they raise for a damaged file becomes the error of its row."""

import ctypes
import logging
import warnings
from contextlib import suppress

from PIL import _imaging


def quiet_decoders() -> None:
    """Turn off, in this process, the printing of Pillow and of its libtiff, also below Python's stderr.

    A hostile set of images would fill the terminal, or a log, with text of its choice.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # Without a handler Python prints errors.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with suppress(AttributeError, OSError):
        # Pillow turns off libtiff's warnings only. A Pillow that hides its libtiff prints on.
        ctypes.CDLL(str(_imaging.__file__)).TIFFSetErrorHandler(None)
