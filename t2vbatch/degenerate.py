"""What makes frames no video worth counting: the reasons behind ``status=degenerate``.  [pure]

Frames that are wrong before they are pixels (NaN, infinity, a wrong shape) are the model's errors, and are
found where the model's output is converted. Here are those that look like a video and show nothing.
"""

import numpy as np

from t2vbatch.video import Video

# Values that all lie within this many of 255 steps are one colour to the eye, whatever noise they have.
_ONE_COLOUR_STEPS = 3


def flaw(video: Video) -> str | None:
    """Why this video shows nothing, as a sentence, or None where it may show something.

    A video of more than one frame that are all equal to the bit is frozen: a diffusion model that means
    stillness does not hit the same values twice.
    """
    frames = video.frames
    low, high = frames.min(axis=(0, 1, 2)).astype(int), frames.max(axis=(0, 1, 2)).astype(int)
    if (high - low).max() <= _ONE_COLOUR_STEPS:
        red, green, blue = ((low + high) // 2).tolist()
        name = {(0, 0, 0): "black", (255, 255, 255): "white"}.get((red, green, blue), f"{red},{green},{blue}")
        return f"every pixel of every frame has one colour: {name}"
    if len(frames) > 1 and np.array_equal(frames[1:], frames[:-1]):
        return "all frames are the same: nothing moves"
    return None
