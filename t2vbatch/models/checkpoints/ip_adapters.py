"""The IP adapter of a model: finds its files, identifies them, and adds it to a pipeline.

An adapter is a file of weights beside the image encoder that it was trained with. The encoder is loaded here,
at the adapter's own commit, because diffusers would take the newest one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from t2vbatch.errors import ModelError, nearest
from t2vbatch.job import Model
from t2vbatch.models.checkpoints.planned import check_planned
from t2vbatch.models.checkpoints.single_file import SingleFile, refuse_pickle
from t2vbatch.models.checkpoints.sources import open_source
from t2vbatch.models.pipelines import PipelineInfo

KEYS = frozenset({"path", "subfolder", "weight_name", "scale", "image_encoder", "revision"})

COLUMN = "ip_adapter_image"
"""The manifest column with the image that an adapter reads."""

EMBEDS = "ip_adapter_image_embeds"
"""The manifest column of arrays that may replace it."""

_NEEDED = ("path", "weight_name")
_ENCODER = "image_encoder"


@dataclass(frozen=True)
class Adapter:
    """Where an adapter's files are. ``encoder``: the folder of the image encoder in the same source."""

    file: SingleFile
    encoder: str
    scale: Any


def check_ip_adapter(where: str, spec: Model, pipeline: PipelineInfo) -> None:
    """Refuse wrong or missing keys, and an adapter for a pipeline that takes none. Raises ModelError."""
    given = spec.ip_adapter
    if given is None:
        return
    if COLUMN not in pipeline.call.media:
        raise ModelError(where, f"an IP adapter for {pipeline.name}, which takes none", fix="remove the key")
    for key in given:
        if key not in KEYS:
            raise ModelError(f"{where}.{key}", "an unknown key", nearest(key, KEYS))
    for key in _NEEDED:
        if not isinstance(given.get(key), str) or not given[key]:
            raise ModelError(
                where, f"no {key}", "{path: ..., subfolder: models, weight_name: ..., scale: 1.0}"
            )
    scale = given.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float | list | dict):
        raise ModelError(f"{where}.scale", repr(scale), "a number, or scales of blocks as in diffusers")


def ip_adapter_identity(where: str, spec: Model, own_encoder: bool) -> dict[str, Any] | None:
    """Everything that decides the effect of the adapter; None without one.

    Args:
        own_encoder: whether the checkpoint or the job's components have an image encoder already.

    Raises:
        ModelError: the adapter or its image encoder does not exist.
    """
    if spec.ip_adapter is None:
        return None
    found = find_adapter(where, spec, spec.ip_adapter.get("revision"))
    scale = float(found.scale) if isinstance(found.scale, int) else found.scale
    identity: dict[str, Any] = {"scale": scale, "weights": found.file.identity()}
    if not own_encoder:
        if found.file.source.file(f"{found.encoder}/config.json") is None:
            at = f"{found.file.source.location}/{found.encoder}"
            raise ModelError(
                f"{where}.{_ENCODER}",
                f"no image encoder at {at}, and the model has none",
                "the folder of the image encoder that the adapter was trained with",
                f"set {where}.{_ENCODER}, or components.{_ENCODER}",
            )
        identity[_ENCODER] = found.file.source.identity(None, found.encoder)
    return identity


def add_ip_adapter(pipeline: Any, spec: Model, planned: Mapping[str, Any] | None) -> None:
    """Add the job's adapter, and its image encoder if the pipeline has none.

    Args:
        planned: its identity in the plan; the commit in it is loaded.

    Raises:
        ModelError: a file is missing, or does not suit this pipeline.
        NodeError: the local weights are not those of the plan.
    """
    if spec.ip_adapter is None or planned is None:
        return
    revision = planned["weights"].get("commit", spec.ip_adapter.get("revision"))
    found = find_adapter("ip_adapter", spec, revision)
    check_planned("ip_adapter.path", spec.ip_adapter["path"], found.file.identity(), planned["weights"])
    path = found.file.fetched("ip_adapter.weight_name")
    try:
        if pipeline.image_encoder is None:
            _add_encoder(pipeline, spec, found)
        pipeline.load_ip_adapter(
            str(path.parent), subfolder="", weight_name=path.name, image_encoder_folder=None
        )
        pipeline.set_ip_adapter_scale(found.scale)
    except (AttributeError, KeyError, OSError, TypeError, ValueError, RuntimeError) as error:
        kind = type(pipeline).__name__
        raise ModelError("ip_adapter", f"{path}, which {kind} cannot load: {error}") from error


def find_adapter(where: str, spec: Model, revision: str | None) -> Adapter:
    """The files of the job's adapter. Raises ModelError."""
    given = spec.ip_adapter or {}
    folder, name = str(given.get("subfolder", "")), str(given["weight_name"])
    refuse_pickle(f"{where}.weight_name", name, spec.allow_pickle)
    inside = (PurePosixPath(folder) / name).as_posix()
    source = open_source(f"{where}.path", given["path"], revision, inside)
    encoder = str(given.get(_ENCODER, _ENCODER))
    # As in diffusers, a name without a slash is a folder beside the weights.
    place = encoder if "/" in encoder else (PurePosixPath(folder) / encoder).as_posix()
    return Adapter(SingleFile(source, inside), place, given.get("scale", 1.0))


def _add_encoder(pipeline: Any, spec: Model, found: Adapter) -> None:
    transformers: Any = import_module("transformers")
    torch: Any = import_module("torch")
    source = found.file.source
    encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(
        source.location,
        subfolder=found.encoder,
        revision=source.commit,
        dtype=getattr(torch, spec.dtype),
        use_safetensors=None if spec.allow_pickle else True,
    )
    pipeline.register_modules(image_encoder=encoder.eval())
    if pipeline.feature_extractor is None:
        # CLIPImageProcessor itself needs torchvision.
        side = encoder.config.image_size
        extractor = transformers.CLIPImageProcessorPil(size=side, crop_size=side)
        pipeline.register_modules(feature_extractor=extractor)
