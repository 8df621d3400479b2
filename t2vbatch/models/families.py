"""What cannot be read from a pipeline's code or files: frame rates, frame counts, packages.  [pure]

One row a family; a class belongs to the row with the longest prefix of its name. Rates and counts are those
of diffusers' own documentation and of the model cards. Everything else about a pipeline comes from its
signature and its components; a new pipeline without a row here runs at ``DEFAULT``.
"""

from dataclasses import dataclass

from t2vbatch.models.protocol import FrameRule

_ANY = FrameRule()
_4K1 = FrameRule(4, 1)
_8K1 = FrameRule(8, 1)


@dataclass(frozen=True)
class Family:
    """One row.

    Attributes:
        prefix: how the names of its classes begin.
        fps: frames per second that the model was trained to make.
        frames: the frame counts it can make.
        needs: import names of packages without which it does not run, beside our own dependencies.
        batchable: False where one call takes one sample, though the signature promises lists.
    """

    prefix: str
    fps: float = 8.0
    frames: FrameRule = _ANY
    needs: tuple[str, ...] = ()
    batchable: bool = True


FAMILIES = (
    Family("Allegro", fps=15.0, frames=FrameRule(4)),
    Family("AnimateDiff"),
    Family("AnyFlow", fps=16.0, frames=_4K1),
    Family("ChronoEdit", fps=16.0, frames=_4K1),
    Family("CogVideoX", frames=_8K1),
    Family("ConsisID", frames=_8K1, needs=("cv2",)),
    Family("Cosmos", fps=30.0, frames=_8K1, needs=("cosmos_guardrail",)),
    Family("Cosmos2", fps=16.0, frames=_4K1, needs=("cosmos_guardrail", "torchvision")),
    Family("Cosmos3", fps=24.0, frames=_4K1, needs=("cosmos_guardrail", "torchvision")),
    Family("EasyAnimate", frames=_4K1),
    Family("Helios", fps=24.0),
    Family("Hunyuan", fps=15.0, frames=_4K1),
    Family("HunyuanVideo15", fps=24.0, frames=_4K1),
    Family("HunyuanVideoFramepack", fps=30.0),
    Family("I2VGenXL", fps=16.0),
    Family("Kandinsky", fps=24.0, frames=_4K1, needs=("torchvision",)),
    Family("LTX", fps=25.0, frames=_8K1),
    Family("LTX2", fps=24.0, frames=_8K1),
    Family("Latte"),
    Family("LucyEdit", fps=24.0, frames=_4K1),
    Family("Mochi", fps=30.0, frames=FrameRule(6, 1)),
    Family("Motif", fps=24.0, frames=_4K1),
    Family("PIA"),
    Family("Sana", fps=16.0, frames=_4K1),
    Family("SkyReelsV2", fps=24.0, frames=_4K1),
    Family("StableVideoDiffusion", fps=7.0),
    Family("TextToVideoSD"),
    Family("TextToVideoZero", fps=4.0, batchable=False),
    Family("VideoToVideoSD"),
    Family("Wan", fps=16.0, frames=_4K1),
    Family("WanAnimate", fps=30.0, frames=_4K1),
    Family("WanVACE", fps=16.0, frames=_4K1, batchable=False),
)

DEFAULT = Family("")


def family(class_name: str) -> Family:
    """The row for a pipeline class."""
    rows = (row for row in FAMILIES if class_name.startswith(row.prefix))
    return max(rows, key=lambda row: len(row.prefix), default=DEFAULT)
