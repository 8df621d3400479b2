"""Upper bounds of what one input decodes to: pixels, frames, bytes and time.

A few kilobytes can decode to gigabytes, so every decoder of untrusted files asks here before it allocates.
"""

import time

from t2vbatch.job import Limits


class OutputLimits(Limits):
    """Upper bounds of the videos in an output folder, which another person may have made."""

    def bound(self, key: str, what: str = "") -> str:
        """The 'expected' text of a message about an exceeded limit."""
        return super().bound(key, what).partition(";")[0]


def too_slow(limits: Limits) -> str:
    """The message about a file whose decoding takes longer than its limit."""
    return f"decoding takes too long; expected {limits.bound('media_decode_s', 's')}"


class DecodeBudget:
    """What may still be decoded of one input.

    Args:
        limits: the job's limits; None sets none, for files that this program wrote.
    """

    def __init__(self, limits: Limits | None) -> None:
        self._limits, self._start = limits, time.monotonic()

    @property
    def seconds(self) -> float | None:
        """Deadline for decoding, in seconds; None without limits."""
        return self._limits.media_decode_s if self._limits else None

    @property
    def pixels(self) -> int | None:
        """Most pixels of one frame; None without limits."""
        return self._limits.media_pixels if self._limits else None

    def frame(self, width: int, height: int) -> None:
        """Check the size of one frame. Raises ValueError."""
        if self._limits and width * height > self._limits.media_pixels:
            raise ValueError(
                f"{width} x {height} pixels; expected {self._limits.bound('media_pixels', 'pixels')}"
            )

    def frames(self, count: int, width: int, height: int) -> None:
        """Check a number of frames of one size, before and while they are decoded. Raises ValueError."""
        self.total(count, count * width * height * 3)

    def total(self, count: int, size_bytes: int) -> None:
        """Check frames of any sizes by their number and their bytes as RGB. Raises ValueError."""
        if self._limits and count > self._limits.media_frames:
            raise ValueError(
                f"{count:,} frames or more; expected {self._limits.bound('media_frames', 'frames')}"
            )
        if self._limits and size_bytes > self._limits.media_bytes:
            found = f"{count:,} frames or more that decode to {size_bytes:,} bytes"
            raise ValueError(f"{found}; expected {self._limits.bound('media_bytes', 'bytes')}")

    def time(self) -> None:
        """Check the deadline. Raises ValueError."""
        if self._limits and time.monotonic() - self._start > self._limits.media_decode_s:
            raise ValueError(too_slow(self._limits))
