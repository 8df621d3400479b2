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
class Need:
    """A package that a family needs.

    Attributes:
        package: its import name.
        component: the component that comes from it; a job that brings its own does without the package.
        flag: the switch in the denoiser's config that makes it needed; empty: always.
        columns: manifest columns whose rows need it; empty: every row does.
        waived_by: the call argument that, set to 0, does without it.
    """

    package: str
    component: str = ""
    flag: str = ""
    columns: frozenset[str] = frozenset()
    waived_by: str = ""


@dataclass(frozen=True)
class Family:
    """One row.

    Attributes:
        prefix: how the names of its classes begin.
        fps: frames per second that the model was trained to make.
        frames: the frame counts it can make.
        needs: packages without which it does not run, beside our own dependencies.
        batchable: False where one call takes one sample, though the signature promises lists.
        memory: settings without which it cannot run; they are always on.
        negative_prompt: what a call is given where a row has none; None: nothing is given.
        frames_from: for a pipeline of images, the manifest column whose frames it makes anew, each guided by
            the same prompt; empty for a pipeline of videos.
    """

    prefix: str
    fps: float = 8.0
    frames: FrameRule = _ANY
    needs: tuple[Need, ...] = ()
    batchable: bool = True
    memory: tuple[str, ...] = ()
    negative_prompt: str | None = None
    frames_from: str = ""


_GUARD = Need("cosmos_guardrail", component="safety_checker")
_COSMOS = (_GUARD, Need("torchvision", flag="concat_padding_mask"))
# Pictures are compressed as a video's frames are, before the model sees them.
_CRF = Need("av", columns=frozenset({"image", "last_image"}), waived_by="image_crf")

FAMILIES = (
    Family("Allegro", fps=15.0, frames=FrameRule(4), memory=("vae_tiling",)),
    Family("AnimateDiff"),
    Family("AnyFlow", fps=16.0, frames=_4K1),
    Family("ChronoEdit", fps=16.0, frames=_4K1),
    Family("CogVideoX", frames=_8K1),
    Family("ConsisID", frames=_8K1, needs=(Need("cv2"),)),
    Family("Cosmos", fps=30.0, frames=_8K1, needs=_COSMOS),
    Family("Cosmos2", fps=16.0, frames=_4K1, needs=_COSMOS),
    Family(
        "Cosmos2_5_Predict",
        fps=16.0,
        frames=_4K1,
        needs=(*_COSMOS, Need("torchvision", columns=frozenset({"image"}))),
    ),
    Family("Cosmos2_5_Transfer", fps=16.0, frames=_4K1, needs=(_GUARD, Need("torchvision"))),
    Family("Cosmos3", fps=24.0, frames=_4K1, needs=(_GUARD,), batchable=False),
    Family("EasyAnimate", frames=_4K1, negative_prompt=""),
    Family("Helios", fps=24.0),
    Family("Hunyuan", fps=15.0, frames=_4K1),
    Family("HunyuanVideo15", fps=24.0, frames=_4K1, batchable=False),
    Family("HunyuanVideoFramepack", fps=30.0),
    Family("I2VGenXL", fps=16.0),
    Family("Kandinsky", fps=24.0, frames=_4K1),
    Family("LTX", fps=25.0, frames=_8K1),
    Family("LTXI2VLong", fps=25.0, frames=_8K1, batchable=False),
    Family("LTX2", fps=24.0, frames=_8K1, needs=(_CRF,)),
    Family("Latte"),
    Family("LucyEdit", fps=24.0, frames=_4K1),
    Family("Mochi", fps=30.0, frames=FrameRule(6, 1)),
    Family("Motif", fps=24.0, frames=_4K1),
    Family("PIA"),
    Family("Sana", fps=16.0, frames=_4K1),
    Family("SkyReelsV2", fps=24.0, frames=_4K1),
    Family("StableDiffusionControlNetPipeline", batchable=False, frames_from="control"),
    Family("StableDiffusionInstructPix2PixPipeline", batchable=False, frames_from="video"),
    Family("StableDiffusionXLControlNetPipeline", batchable=False, frames_from="control"),
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
