"""Facts about a model before it is loaded: from the job, the checkpoint's small files, and the class.

This module makes every check of a model that needs no weights.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from t2vbatch.errors import ErrorCollector, ModelError, nearest
from t2vbatch.job import Limits, Model
from t2vbatch.models.calls.check import UNLIMITED, check_call
from t2vbatch.models.calls.signature import CallSignature
from t2vbatch.models.catalog import missing_backends
from t2vbatch.models.checkpoints.checkpoint import Checkpoint, open_checkpoint
from t2vbatch.models.checkpoints.components import check_component, find_components
from t2vbatch.models.checkpoints.index import index_names, read_index
from t2vbatch.models.checkpoints.ip_adapters import COLUMN, EMBEDS, check_ip_adapter, ip_adapter_identity
from t2vbatch.models.checkpoints.loras import check_lora, lora_identity
from t2vbatch.models.checkpoints.settings import MEMORY, OFFLOADS, SPEED, Setting, options_of
from t2vbatch.models.checkpoints.sources import BUNDLED, CheckpointFiles, bundled, no_variant
from t2vbatch.models.families import family
from t2vbatch.models.frames import count_notes, frame_counts
from t2vbatch.models.packages import check_packages, lacking_columns
from t2vbatch.models.pipelines import PipelineInfo, diffusers_classes
from t2vbatch.models.plugins import find_pipeline, plugin_facts
from t2vbatch.models.protocol import ModelFacts

_MOST_TOKENS = 100_000
"""A tokenizer without a limit has 10^30 as its limit."""


def inspect_model(name: str, spec: Model, limits: Limits = UNLIMITED) -> ModelFacts:
    """The facts of ``models.NAME``, after every check that needs no weights.

    Args:
        limits: the upper bounds of the call's values.

    Raises:
        ModelError: with the key, what was found, what was expected and what to do; a CombinedJobError for
            several problems.
    """
    where, problems = f"models.{name}", ErrorCollector()
    found = _inspect_plugin(where, spec) or _inspect_pipeline(where, spec, problems)
    with problems.collect():
        check_call(name, spec.call, found, limits)
    if spec.batch_size > 1 and not found.batchable:
        size = f"{spec.batch_size}, for a pipeline that makes one video for each call"
        problems.add(ModelError(f"{where}.batch", size, "1", "remove batch"))
    problems.raise_if_any()
    return found


def _inspect_plugin(where: str, spec: Model) -> ModelFacts | None:
    if spec.pipeline is None:
        return None
    found = find_pipeline(f"{where}.pipeline", spec.pipeline)
    return None if isinstance(found, PipelineInfo) else plugin_facts(where, found, spec)


def _inspect_pipeline(where: str, spec: Model, problems: ErrorCollector) -> ModelFacts:
    """The facts of a pipeline; without its identity if ``problems`` gets any."""
    checkpoint = open_checkpoint(f"{where}.", spec)
    source = checkpoint.source
    index = read_index(source, spec)
    if index is None:
        names = " or ".join(index_names(spec))
        raise ModelError(
            f"{where}.path", f"{source.location}, whose {names} is not a JSON object", "a diffusers pipeline"
        )
    pipeline = _pipeline(where, spec, index)
    if pipeline.path.startswith("diffusers:") and not pipeline.video:
        raise ModelError(
            f"{where}.pipeline",
            f"{pipeline.name}, which makes images",
            "a pipeline that makes videos, such as AnimateDiffPipeline with an image checkpoint",
            "choose one from the list that t2vbatch models prints",
        )
    _check_single_file(where, pipeline, spec, checkpoint)
    signature = pipeline.call
    check_packages(where, pipeline, spec, source, index, signature)
    with problems.collect():
        _check_keys_of(where, pipeline, spec)
    if "quantization" in spec.speed:
        # Its classes are those of the libraries, which take seconds to import.
        with problems.collect():
            import_module("t2vbatch.models.checkpoints.quantization").quantization(f"{where}.", spec, index)
    identity: dict[str, Any] = {}
    autoencoder: Mapping[str, Any] = {}
    if not problems.errors:
        identity = _identity(where, spec, checkpoint, pipeline) | _adapter_identity(where, spec, index)
        autoencoder = _autoencoder(where, spec, source)
    row = family(pipeline.name)
    counts = frame_counts(row, autoencoder, spec.frames == "auto")
    asked = spec.call.get(signature.frames or "")
    module = bundled(f"{where}.path", spec.path) if spec.path.startswith(BUNDLED) else None
    return ModelFacts(
        identity=identity,
        parameters=signature.parameters,
        call=dict(module.CALL) if module else {},
        signature=signature.defaults,
        requires=signature.requires | ({COLUMN} if spec.ip_adapter else set()),
        accepts=signature.accepts,
        fps=float(module.FPS) if module else _fps(signature, row.fps),
        token_limit=_token_limit(source, index, signature, spec),
        batchable=signature.batchable and row.batchable and "cache" not in spec.speed,
        pipeline=pipeline.path,
        revision=checkpoint.commit,
        frames_argument=signature.frames,
        frames=counts.allowed,
        fps_argument=signature.fps,
        lacking=lacking_columns(pipeline, spec, signature) | _without_adapter(where, spec, signature),
        arrays=frozenset(signature.arrays),
        fills={**signature.media, **({EMBEDS: COLUMN} if spec.ip_adapter else {})},
        replaced_by=signature.replaced_by,
        reserved=signature.reserved,
        kinds=signature.kinds,
        notes=tuple(count_notes(pipeline.name, row, counts, signature.frames, asked)),
    )


def _pipeline(where: str, spec: Model, index: Mapping[str, Any]) -> PipelineInfo:
    named = index.get("_class_name") if spec.pipeline is None else spec.pipeline
    classes = diffusers_classes()
    known = isinstance(named, str) and (named in classes.pipelines or named in classes.backends)
    if spec.pipeline is None and not known:
        raise ModelError(
            f"{where}.path",
            f"a checkpoint of {named}, which diffusers {version('diffusers')} does not have",
            "a pipeline of diffusers; code in a repository is never run",
            f"set {where}.pipeline to a class that can load it",
        )
    found = find_pipeline(f"{where}.path" if spec.pipeline is None else f"{where}.pipeline", str(named))
    if not isinstance(found, PipelineInfo):
        raise ModelError(f"{where}.pipeline", f"{named}, which is not a pipeline", "a pipeline of diffusers")
    blocks = index.get("_blocks_class_name", found.blocks)
    if spec.pipeline is None and found.blocks and blocks != found.blocks:
        raise ModelError(
            f"{where}.path",
            f"a checkpoint of {named} with the blocks {blocks}; t2vbatch runs its own blocks, {found.blocks}",
            "a checkpoint of a pipeline with its own blocks",
            f"set {where}.pipeline to {named} to run its own blocks, or to a plug-in that builds the others",
        )
    return found


def _check_single_file(where: str, pipeline: PipelineInfo, spec: Model, checkpoint: Checkpoint) -> None:
    if checkpoint.file is not None and not pipeline.single_file:
        raise ModelError(
            f"{where}.path",
            f"{spec.path}, a single file, from which {pipeline.name} cannot be loaded",
            "a folder or a repository in diffusers' layout",
            f"name one here, and the file as {where}.components.transformer: {{class: ..., path: ...}}",
        )


def _check_keys_of(where: str, pipeline: PipelineInfo, spec: Model) -> None:
    """Check components, LoRAs, adapter, scheduler, settings and call. Raises ModelError with all problems."""
    problems = ErrorCollector()
    known = sorted({*pipeline.parts, *pipeline.optional})
    for name, component in spec.components.items():
        with problems.collect():
            _check_part(f"{where}.components.{name}", name, component, known)
    for index, lora in enumerate(spec.loras):
        with problems.collect():
            check_lora(f"{where}.loras[{index}]", lora)
    with problems.collect():
        check_ip_adapter(f"{where}.ip_adapter", spec, pipeline)
    if spec.scheduler is not None:
        with problems.collect():
            _check_scheduler(where, pipeline, spec)
    with problems.collect():
        _check_settings(f"{where}.memory", memory_settings(spec), MEMORY)
    with problems.collect():
        _check_settings(f"{where}.speed", spec.speed, SPEED)
    problems.raise_if_any()


def _check_part(where: str, name: str, component: dict[str, Any] | None, known: Sequence[str]) -> None:
    if name not in known:
        raise ModelError(where, "an unknown part of this pipeline", nearest(name, known))
    if component is not None:
        check_component(where, component)


def _check_scheduler(where: str, pipeline: PipelineInfo, spec: Model) -> None:
    scheduler_config(where, spec)
    if "scheduler" not in {*pipeline.parts, *pipeline.optional}:
        found = f"{spec.scheduler!r}, for {pipeline.name}, which has no scheduler"
        raise ModelError(f"{where}.scheduler", found, fix="remove the key")


def scheduler_config(where: str, spec: Model) -> tuple[str, dict[str, Any]]:
    """The name of the job's scheduler class, and the job's part of its config. Raises ModelError."""
    asked = spec.scheduler
    given = {"class": asked} if isinstance(asked, str) else dict(asked or {})
    key = f"{where}.scheduler"
    if not isinstance(given.get("class"), str):
        raise ModelError(key, f"{asked!r}", "the name of a scheduler class, or {class: ..., its config}")
    name = given.pop("class")
    if missing := missing_backends(name):
        found = f"{name}, which needs {missing}; not installed on this machine"
        raise ModelError(key, found, fix=f"pip install {missing}")
    schedulers = diffusers_classes().schedulers
    if name not in schedulers:
        raise ModelError(key, f"{name}, an unknown scheduler", nearest(name, list(schedulers)))
    _check_keys(key, given, schedulers[name])
    return name, given


def _check_keys(where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    problems = ErrorCollector()
    for key in given:
        if key not in known:
            problems.add(ModelError(f"{where}.{key}", "an unknown key", nearest(key, known)))
    problems.raise_if_any()


def memory_settings(spec: Model) -> dict[str, Any]:
    """The key ``memory:`` as one mapping, setting: options."""
    settings: dict[str, Any] = {}
    for item in spec.memory:
        settings |= {item: None} if isinstance(item, str) else item
    return settings


def _check_settings(where: str, given: Mapping[str, Any], known: Mapping[str, Setting]) -> None:
    _check_keys(where, given, frozenset(known))
    for name, value in given.items():
        try:
            options_of(value)
        except ValueError as error:
            raise ModelError(f"{where}.{name}", repr(value), str(error)) from None
    offloads = sorted(OFFLOADS & given.keys())
    if len(offloads) > 1:
        raise ModelError(
            where, " and ".join(offloads), "one offload: each of them decides where all weights are"
        )


def _identity(where: str, spec: Model, checkpoint: Checkpoint, pipeline: PipelineInfo) -> dict[str, Any]:
    """Everything besides the request that decides the pixels, by content and never by path."""
    components = find_components(f"{where}.", spec, checkpoint.source)
    try:
        weights = checkpoint.identity(spec.variant)
    except LookupError:
        raise no_variant(f"{where}.variant", checkpoint.source, spec.variant) from None
    return {
        "pipeline": pipeline.path,
        "weights": weights,
        "dtype": spec.dtype,
        "variant": spec.variant,
        "scheduler": {"class": spec.scheduler} if isinstance(spec.scheduler, str) else spec.scheduler,
        "components": {name: part and part.identity() for name, part in components.items()},
        "loras": [
            lora_identity(f"{where}.loras[{index}]", lora, spec.allow_pickle)
            for index, lora in enumerate(spec.loras)
        ],
        "memory": {
            name: options_of(value)
            for name, value in memory_settings(spec).items()
            if not MEMORY[name].moves_only
        },
        "speed": {name: value for name, value in spec.speed.items() if not SPEED[name].moves_only},
        "fit": spec.fit,
        "background": spec.background,
    }


def _adapter_identity(where: str, spec: Model, index: Mapping[str, Any]) -> dict[str, Any]:
    """The identity of the IP adapter; nothing for a model without one, whose identity stays as it was."""
    if spec.ip_adapter is None:
        return {}
    own = index.get("image_encoder")
    has_encoder = bool(spec.components.get("image_encoder", isinstance(own, list) and own[-1] is not None))
    return {"ip_adapter": ip_adapter_identity(f"{where}.ip_adapter", spec, has_encoder)}


def _without_adapter(where: str, spec: Model, signature: CallSignature) -> dict[str, str]:
    """What the columns of an IP adapter need, if the model has none."""
    if spec.ip_adapter is not None:
        return {}
    columns = {COLUMN, EMBEDS} & (signature.media.keys() | signature.arrays.keys())
    return dict.fromkeys(sorted(columns), f"an IP adapter: set {where}.ip_adapter")


def _fps(signature: CallSignature, default: float) -> float:
    """The call's default frame rate, if it has one; else the family's rate."""
    asked = signature.defaults.get(signature.fps or "")
    return float(asked) if isinstance(asked, int | float) and asked > 0 else default


def _autoencoder(where: str, spec: Model, source: CheckpointFiles) -> Mapping[str, Any]:
    """The config of the autoencoder, of the job's own if it has one; empty if there is none."""
    if "vae" not in spec.components:
        return source.read_json("vae/config.json") or {}
    part = find_components(f"{where}.", spec, source)["vae"]
    if part is None:
        return {}
    folder = f"{part.subfolder}/" if part.subfolder else ""
    return part.source.read_json(f"{folder}config.json") or {}


def _token_limit(
    source: CheckpointFiles, index: Mapping[str, Any], signature: CallSignature, spec: Model
) -> int | None:
    """Most tokens that the text encoder reads: the smaller limit of the call and of its tokenizer."""
    config = source.read_json("tokenizer/tokenizer_config.json") if "tokenizer" in index else None
    asked = spec.call.get("max_sequence_length", signature.defaults.get("max_sequence_length"))
    limits = [(config or {}).get("model_max_length"), asked]
    known = [int(limit) for limit in limits if isinstance(limit, int | float) and limit < _MOST_TOKENS]
    return min(known, default=None)
