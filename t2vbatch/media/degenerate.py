"""What makes frames no video worth counting: the reasons behind ``status=degenerate``.  [pure]

Frames that are wrong before they are pixels (NaN, infinity, a wrong shape) are the model's errors, and are
found where the model's output is converted. Here are those that look like a video and show nothing.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.media.video import Video

# Values that all lie within this many of 255 steps are one colour to the eye, whatever noise they have.
_ONE_COLOUR_STEPS = 3


def degenerate_reason(video: Video) -> str | None:
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


def ignored_seeds(samples: pa.Table) -> list[str]:
    """A sentence for each set of samples of one row and model whose seeds differ and whose frames do not.

    Neither of two equal videos is the wrong one, so no record is changed for it: what is wrong is the model,
    which does not hear its seed, and who averages over seeds must know.

    Args:
        samples: columns ``row_id``, ``model``, ``seed``, ``sample_index``, ``status``, ``frames_sha256``.
    """
    shown = samples.filter(pc.equal(samples["status"], "ok"))
    groups = shown.group_by(["model", "row_id", "frames_sha256"])
    found = groups.aggregate([("seed", "count_distinct"), ("sample_index", "list")])
    equal = found.filter(pc.greater(found["seed_count_distinct"], 1)).to_pylist()
    return [
        f"model {group['model']}, row {group['row_id']}: samples "
        f"{', '.join(map(str, sorted(group['sample_index_list'])))} have different seeds and equal frames"
        for group in equal
    ]
