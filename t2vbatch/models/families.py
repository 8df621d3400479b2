"""Facts that a pipeline's code and files do not contain: frame rates, frame counts, packages.  [pure]

One row for each family; a class belongs to the row with the longest prefix of its name. Rates and counts are
from diffusers' documentation and the model cards. Everything else about a pipeline comes from its signature
and its components; a new pipeline without a row here runs with ``DEFAULT``.
"""

from dataclasses import dataclass, replace

from t2vbatch.models.protocol import FrameRule

ANY = FrameRule()
_4K1 = FrameRule(4, 1)
_8K1 = FrameRule(8, 1)


@dataclass(frozen=True)
class Need:
    """A package that a family needs.

    Attributes:
        package: its import name.
        component: the component that comes from it; a job with its own component, or with none (null), does
            not need it.
        flag: the entry of the denoiser's config with which it is needed; empty: always needed.
        columns: manifest columns whose rows need it; empty: every row needs it.
        waived_by: end of a call argument ``COLUMN_END`` that, set to 0, makes it unnecessary for that column.
        switches: call arguments or entries of ``model_index.json`` that make it unnecessary if false.
    """

    package: str
    component: str = ""
    flag: str = ""
    columns: frozenset[str] = frozenset()
    waived_by: str = ""
    switches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One row.

    Attributes:
        prefix: prefix of the names of its classes.
        fps: frames per second of the videos that the model was trained on.
        frames: the frame counts that it can make.
        needs: packages that it needs besides our own dependencies.
        batchable: False if one call takes only one sample although the signature accepts lists.
        memory: settings that are always on because it cannot run without them.
        negative_prompt: the negative prompt of a row that has none; None: the argument is not passed.
        rounds: whether the pipeline silently rounds every other frame count; then another count is refused,
            if the checkpoint (or ``fixed``) confirms the rule. Otherwise the rule is only advice.
        fixed: whether the rule is a constant in the pipeline's code, whatever the checkpoint.
        whole_input: whether a call reads an input video to its end, because it continues or enlarges the
            video. Other calls get at most as many frames as they make.
        note: what else a user should know about its frame counts.
        frames_from: for an image pipeline, the manifest column whose frames it generates again, all with the
            same prompt; empty for a video pipeline.
    """

    prefix: str
    fps: float = 8.0
    frames: FrameRule = ANY
    needs: tuple[Need, ...] = ()
    batchable: bool = True
    memory: tuple[str, ...] = ()
    negative_prompt: str | None = None
    rounds: bool = True
    fixed: bool = False
    whole_input: bool = False
    note: str = ""
    frames_from: str = ""


_GUARD = Need("cosmos_guardrail", component="safety_checker")
_SWITCHED_GUARD = replace(_GUARD, switches=("enable_safety_check", "enable_safety_checker"))
_COSMOS = (_GUARD, Need("torchvision", flag="concat_padding_mask"))
# The pipeline compresses input images like video frames before the model reads them.
_CRF = Need("av", columns=frozenset({"image", "last_image"}), waived_by="crf")

FAMILIES = (
    Family("Allegro", fps=15.0, frames=FrameRule(4), memory=("vae_tiling",)),
    Family("AnimateDiff"),
    Family("AnyFlow", fps=16.0, frames=_4K1),
    Family("ChronoEdit", fps=16.0, frames=_4K1),
    Family("CogVideoX", frames=_8K1, rounds=False),
    Family(
        "ConsisID",
        frames=_8K1,
        rounds=False,
        needs=(Need("cv2"),),
        note="the face of the image is kept only with the array columns id_cond and id_vit_hidden, which "
        "diffusers' consisid_utils makes with the packages insightface, facexlib and consisid_eva_clip",
    ),
    Family("Cosmos", fps=30.0, frames=_8K1, needs=_COSMOS, whole_input=True),
    Family("Cosmos2", fps=16.0, frames=_4K1, needs=_COSMOS, whole_input=True),
    Family(
        "Cosmos2_5_Predict",
        fps=16.0,
        frames=_4K1,
        # It makes every count exactly: for one outside the rule it repeats the last frame.
        rounds=False,
        needs=(*_COSMOS, Need("torchvision", columns=frozenset({"image"}))),
        whole_input=True,
    ),
    Family("Cosmos2_5_Transfer", fps=16.0, needs=(_GUARD, Need("torchvision"))),
    Family("Cosmos3", fps=24.0, frames=_4K1, needs=(_SWITCHED_GUARD,), batchable=False, whole_input=True),
    Family("Echo", fps=25.0, frames=_8K1),
    Family("EasyAnimate", frames=_4K1, negative_prompt=""),
    Family("Helios", fps=24.0, frames=FrameRule(33), rounds=False, whole_input=True),
    Family("Hunyuan", fps=15.0, frames=_4K1),
    Family(
        "HunyuanVideoImageToVideo",
        fps=15.0,
        frames=_4K1,
        note="the video has 4 frames fewer than num_frames, because the frames of the image are cut off",
    ),
    Family("HunyuanVideo15", fps=24.0, frames=_4K1, batchable=False),
    Family("HunyuanVideoFramepack", fps=30.0),
    Family("I2VGenXL", fps=16.0),
    Family("Kandinsky", fps=24.0, frames=_4K1),
    Family("LTX", fps=25.0, frames=_8K1),
    Family("LTXI2VLong", fps=25.0, frames=_8K1, batchable=False),
    Family("LTX2", fps=24.0, frames=_8K1, needs=(_CRF,)),
    Family("LTX2LatentUpsample", fps=24.0, frames=_8K1, needs=(_CRF,), whole_input=True),
    Family(
        "LTX2DFRTemporalRefine",
        fps=24.0,
        frames=_8K1,
        needs=(_CRF,),
        note="every row needs the array columns latents, keyframes_latents and audio_latents, which "
        "LTX2DFRPipeline gives in diffusers with output_type='latent'; it makes 2 * num_frames - 1 frames",
    ),
    Family("Latte"),
    Family("LucyEdit", fps=24.0, frames=_4K1),
    Family(
        "MiniMaxH3",
        fps=24.0,
        frames=FrameRule(17, 5),
        fixed=True,
        note="it makes videos of 5 to 15 seconds, so num_frames is from 124 to 345",
    ),
    Family("Mochi", fps=30.0, frames=FrameRule(6, 1), fixed=True),
    Family("Motif", fps=24.0, frames=_4K1),
    Family("PIA"),
    Family("Sana", fps=16.0, frames=_4K1),
    Family("SkyReelsV2", fps=24.0, frames=_4K1, whole_input=True),
    Family("StableDiffusionControlNetPipeline", batchable=False, frames_from="control"),
    Family("StableDiffusionInstructPix2PixPipeline", batchable=False, frames_from="video"),
    Family("StableDiffusionXLControlNetPipeline", batchable=False, frames_from="control"),
    Family("StableVideoDiffusion", fps=7.0),
    Family("TextToVideoSD"),
    Family("TextToVideoZero", fps=4.0, batchable=False),
    Family("VideoToVideoSD"),
    Family("Wan", fps=16.0, frames=_4K1),
    Family("WanAnimate", fps=30.0, frames=_4K1),
    Family("WanAnimate2", fps=24.0, frames=_4K1),
    Family("WanVACE", fps=16.0, frames=_4K1, batchable=False),
)

DEFAULT = Family("")


def family(class_name: str) -> Family:
    """The row for a pipeline class."""
    rows = (row for row in FAMILIES if class_name.startswith(row.prefix))
    return max(rows, key=lambda row: len(row.prefix), default=DEFAULT)
