"""Videos that show nothing: the reasons for ``status=degenerate``.  [pure]

Model outputs that are not pixels (NaN, infinity, a wrong shape) are found earlier, where the output is
converted to uint8. This module finds valid frames without content.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.media.video import Video

# Values within this range (of 255) are one colour to the eye, even with noise.
_ONE_COLOUR_STEPS = 3


def degenerate_reason(video: Video) -> str | None:
    """Why this video shows nothing, as a sentence; None for a normal video.

    A video of several bit-equal frames is frozen: a diffusion model never renders a still scene with the same
    values twice.
    """
    frames = video.frames
    colour = _one_colour(frames)
    if colour is not None:
        name = {(0, 0, 0): "black", (255, 255, 255): "white"}.get(colour, ",".join(map(str, colour)))
        return f"every pixel of every frame has one colour: {name}"
    if len(frames) > 1 and all(np.array_equal(frame, frames[0]) for frame in frames[1:]):
        return "all frames are the same: nothing moves"
    return None


def _one_colour(frames: npt.NDArray[np.uint8]) -> tuple[int, int, int] | None:
    """The colour (R, G, B) of frames of one colour; None for others, mostly after the first frame."""
    low, high = np.full(3, 255), np.zeros(3, int)
    for frame in frames:
        # Numpy reduces the long rows of a flat frame many times faster than three axes at once.
        rows = frame.reshape(len(frame), -1)
        low = np.minimum(low, rows.min(axis=0).reshape(-1, 3).min(axis=0))
        high = np.maximum(high, rows.max(axis=0).reshape(-1, 3).max(axis=0))
        if (high - low).max() > _ONE_COLOUR_STEPS:
            return None
    red, green, blue = ((low + high) // 2).tolist()
    return red, green, blue


def ignored_seeds(samples: pa.Table) -> list[str]:
    """A sentence for each group of samples of one row and model that have different seeds and equal frames.

    The model ignores its seed, so an average over seeds is meaningless. No record is changed: each of the
    videos is valid on its own.

    Args:
        samples: columns ``row_id``, ``model``, ``seed``, ``sample_index``, ``status``, ``frames_sha256``.
    """
    shown = samples.select(["model", "row_id", "frames_sha256", "seed", "sample_index"])
    groups = shown.filter(pc.equal(samples["status"], "ok")).group_by(["model", "row_id", "frames_sha256"])
    found = groups.aggregate([("seed", "count_distinct"), ("sample_index", "list")])
    equal = found.filter(pc.greater(found["seed_count_distinct"], 1)).to_pylist()
    return [
        f"model {group['model']}, row {group['row_id']}: samples "
        f"{', '.join(map(str, sorted(group['sample_index_list'])))} have different seeds and equal frames"
        for group in equal
    ]
