"""Calls a diffusers pipeline: any of them, by the signature of its call and the form of its output."""

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from t2vbatch.errors import MemoryExceededError, ModelError, RowError, SampleError
from t2vbatch.job import Model
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.media.video import Video
from t2vbatch.models.calls.arguments import Target, list_arguments, media_arguments, setting_names
from t2vbatch.models.calls.check import expected_frames, frame_count
from t2vbatch.models.calls.outputs import to_frames
from t2vbatch.models.calls.prompts import EncodedError, PromptCache
from t2vbatch.models.calls.signature import SEGMENT, read_signature
from t2vbatch.models.calls.sound import sound_rate, to_audio
from t2vbatch.models.determinism import generators, seeded
from t2vbatch.models.families import family
from t2vbatch.models.protocol import ModelFacts, Request
from t2vbatch.models.stages import stage
from t2vbatch.models.steps import step_done

_log = logging.getLogger(__name__)


class DiffusersModel:
    """A loaded pipeline; see VideoModel."""

    def __init__(
        self, pipeline: Any, spec: Model, facts: ModelFacts, device: str, how: Reading = DEFAULT
    ) -> None:
        self._pipeline = pipeline
        self._spec, self._how = spec, how
        self._facts = facts
        self._device = torch.device(device)
        self._signature = read_signature(pipeline.__class__)
        self._family = family(pipeline.__class__.__name__)
        self._prompts = PromptCache(pipeline)
        if self._signature.embeds:
            self._prompts.install()
        if spec.speed.get("text_encoder"):
            self._park()

    def _park(self) -> None:
        """Take the text encoders off the device. A pipeline without embeddings uses them within its call."""
        reason = "no text encoder"
        if not self._signature.embeds:
            reason = "the pipeline takes no prompt_embeds"
        elif self._prompts.park(self._device):
            return
        raise ModelError("speed: text_encoder", f"a setting without effect: {reason}", fix="remove it")

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        if len(requests) > 1 and (not self._facts.batchable or self._has_media(requests)):
            raise RowError("with media, this pipeline makes one video for each call; set batch: 1")
        try:
            arguments = self._arguments(requests)
            with seeded([request.seed for request in requests]), torch.no_grad():
                output = self._output(arguments)
            with stage("convert"):
                frames = to_frames(output, len(requests))
            sounds = to_audio(output, len(requests), sound_rate(self._pipeline))
        except SampleError:
            self._recover()
            raise
        except Exception as error:
            self._recover()
            raise _explained(error) from error
        return [
            Video(video, self._fps(request), sound, self._notes(video, request.call))
            for video, sound, request in zip(frames, sounds, requests, strict=True)
        ]

    def encode_ahead(self, calls: Iterable[Sequence[Request]]) -> None:
        """Encode the prompts of these calls and keep the encodings, until the memory for them is full.

        Each call runs up to its first network after the encoding. A call that fails here fails again in
        ``generate``, which reports it.
        """
        with self._prompts.encoders():
            for requests in calls:
                if self._prompts.is_full:
                    return
                self._encode(requests)

    def _encode(self, requests: Sequence[Request]) -> None:
        try:
            seeds = [request.seed for request in requests]
            with self._prompts.encoding_only(), seeded(seeds), torch.no_grad():
                self._output(self._arguments(requests))
        except EncodedError:
            pass
        except Exception as error:
            _log.info("prompts are encoded with their videos: %s", error)
        finally:
            self._recover()

    def _output(self, arguments: dict[str, Any]) -> Any:
        return self._pipeline(**arguments)

    def _arguments(self, requests: Sequence[Request]) -> dict[str, Any]:
        signature, first = self._signature, requests[0]
        self._check_count(first.call)
        settings, target = setting_names(signature), self._target(first.call)
        arguments = {name: value for name, value in first.call.items() if name not in settings}
        arguments |= list_arguments(signature, first.call, target)
        if signature.prompt and any(request.prompt is not None for request in requests):
            arguments["prompt"] = _one_or_list([request.prompt or "" for request in requests])
        unsaid = self._family.negative_prompt
        negative = [request.negative_prompt or unsaid for request in requests]
        if signature.negative_prompt and any(text is not None for text in negative):
            arguments["negative_prompt"] = _one_or_list([text or "" for text in negative])
        arguments |= media_arguments(signature, first.media, first.call, target)
        for text in _encoded(arguments):
            arguments.pop(text, None)
        if signature.generator:
            arguments["generator"] = _one_or_list(generators([request.seed for request in requests]))
        if signature.output_type:
            arguments["output_type"] = "pt" if signature.gives_tensors else "np"
        if signature.callback:
            arguments[signature.callback] = _step_ended
        return arguments

    def _check_count(self, call: Mapping[str, Any]) -> None:
        count = frame_count(call, self._facts)
        if count is not None and not self._facts.frames.allows(count):
            raise RowError(f"{count} frames; this model makes {expected_frames(count, self._facts)}")

    def _has_media(self, requests: Sequence[Request]) -> bool:
        columns = self._signature.media.keys() | self._signature.arrays.keys()
        return any(columns & request.media.keys() for request in requests)

    def _target(self, call: Mapping[str, Any]) -> Target:
        count = self._asked(call)
        return Target(
            size=self._size(call),
            fit=self._spec.fit,
            how=self._how,
            input_frames=None if self._family.whole_input else count,
            num_frames=count,
            device=self._device,
            dtype=getattr(torch, self._spec.dtype),
        )

    def _asked(self, call: Mapping[str, Any]) -> int | None:
        """The number of frames in the call or its default; None if it is only the number of a segment."""
        name = self._facts.frames_argument or ""
        if name == SEGMENT:
            return None
        count = call.get(name, self._signature.defaults.get(name))
        return count if isinstance(count, int) else None

    def _notes(self, frames: npt.NDArray[np.uint8], call: Mapping[str, Any]) -> tuple[str, ...]:
        """Sentences about frames of another number or size than the call, or its defaults, asks for."""
        name, argument = type(self._pipeline).__name__, self._facts.frames_argument
        made, height, width, _ = frames.shape
        count, size = self._asked(call), self._size(call)
        notes = []
        if count not in (None, made):
            notes.append(f"{name} made {made} frames; the call asks for {argument}: {count}")
        if size not in (None, (width, height)):
            asked = f"{size[0]} x {size[1]}" if size else ""
            notes.append(f"{name} made {width} x {height} pixels; the call asks for {asked}")
        return tuple(notes)

    def _size(self, call: Mapping[str, Any]) -> tuple[int, int] | None:
        """(width, height) of the video in the call or its defaults; None if they are not set."""
        defaults = self._signature.defaults
        width, height = (call.get(name, defaults.get(name)) for name in ("width", "height"))
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def _fps(self, request: Request) -> float:
        """The job's rate; else the rate that the model generated for; else the model's."""
        generated_for = request.call.get(self._facts.fps_argument or "")
        if self._spec.fps or not isinstance(generated_for, int | float):
            return self._spec.fps or self._facts.fps
        return float(generated_for)

    def _recover(self) -> None:
        """Restore the pipeline's state after a call that failed.

        Such a call leaves step caches filled, weights on the device that an offload would have moved back,
        and a scheduler in the middle of its steps.
        """
        pipeline = self._pipeline
        for part in pipeline.components.values():
            if getattr(part, "is_cache_enabled", False):
                part._reset_stateful_cache()
        if (scheduler := getattr(pipeline, "scheduler", None)) is not None:
            pipeline.scheduler = type(scheduler).from_config(scheduler.config)
        with contextlib.suppress(Exception):
            pipeline.maybe_free_model_hooks()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _one_or_list(values: list[Any]) -> Any:
    """A single value for one request: many pipelines take no lists."""
    return values[0] if len(values) == 1 else values


def _encoded(arguments: Mapping[str, Any]) -> list[str]:
    """The texts whose encodings are arguments: pipelines refuse both, and the text is then only a label."""
    texts = ("prompt", "negative_prompt")
    return [text for text in texts if any(name.startswith(f"{text}_embeds") for name in arguments)]


def _step_ended(*_: Any) -> dict[str, Any]:
    """The callback after each step, in both forms; it replaces none of the tensors."""
    step_done()
    return {}


def _explained(error: Exception) -> SampleError:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in said:
        return MemoryExceededError(said)
    return RowError(said)
