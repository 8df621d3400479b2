"""Calling a diffusers pipeline: any of them, by what its signature takes and its output gives."""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from t2vbatch.errors import MemoryExceededError, RowError, SampleError
from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models.calls.check import expected_frames, frame_count
from t2vbatch.models.calls.inputs import READERS, argument, fitted
from t2vbatch.models.calls.outputs import to_frames
from t2vbatch.models.calls.signature import read_signature
from t2vbatch.models.calls.sound import sound_rate, to_audio
from t2vbatch.models.determinism import generators, seeded
from t2vbatch.models.families import family
from t2vbatch.models.protocol import ModelFacts, Request
from t2vbatch.models.steps import step_done


class DiffusersModel:
    """A loaded pipeline; see VideoModel."""

    def __init__(self, pipeline: Any, spec: Model, facts: ModelFacts, device: str) -> None:
        self._pipeline = pipeline
        self._spec = spec
        self._facts = facts
        self._device = torch.device(device)
        self._signature = read_signature(pipeline.__class__)

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        if len(requests) > 1 and (not self._facts.batchable or self._has_media(requests)):
            raise RowError("this pipeline makes one video of media a call; set batch: 1")
        try:
            arguments = self._arguments(requests)
            with seeded([request.seed for request in requests]), torch.no_grad():
                output = self._pipeline(**arguments)
            frames = to_frames(output, len(requests))
            sounds = to_audio(output, len(requests), sound_rate(self._pipeline))
        except SampleError:
            self._recover()
            raise
        except Exception as error:
            self._recover()
            raise _explained(error) from error
        made = zip(frames, sounds, requests, strict=True)
        return [Video(video, self._fps(request), sound) for video, sound, request in made]

    def _arguments(self, requests: Sequence[Request]) -> dict[str, Any]:
        signature, first = self._signature, requests[0]
        arguments = dict(first.call)
        count = frame_count(first.call, self._facts)
        if count is not None and not self._facts.frames.allows(count):
            raise RowError(f"{count} frames; this model makes {expected_frames(count, self._facts)}")
        if signature.prompt and any(request.prompt is not None for request in requests):
            arguments["prompt"] = _one_or_list([request.prompt or "" for request in requests])
        unsaid = family(type(self._pipeline).__name__).negative_prompt
        negative = [request.negative_prompt or unsaid for request in requests]
        if signature.negative_prompt and any(text is not None for text in negative):
            arguments["negative_prompt"] = _one_or_list([text or "" for text in negative])
        arguments |= self._media(first)
        if signature.generator:
            arguments["generator"] = _one_or_list(generators([request.seed for request in requests]))
        if signature.output_type:
            arguments["output_type"] = "np"
        if signature.callback:
            arguments[signature.callback] = _step_ended
        return arguments

    def _has_media(self, requests: Sequence[Request]) -> bool:
        return any(column in request.media for request in requests for column in self._signature.media)

    def _media(self, request: Request) -> dict[str, Any]:
        """The media parameters; several columns may fill one."""
        filled: dict[str, dict[str, Any]] = defaultdict(dict)
        size = self._size(request.call)
        for column, parameter in self._signature.media.items():
            if column in request.media:
                value = READERS[column](request.media[column])
                frames = value[: self._length(request.call)] if isinstance(value, list) else [value]
                sized = [fitted(frame, size, self._spec.fit) for frame in frames]
                filled[parameter][column] = sized if isinstance(value, list) else sized[0]
        types = self._signature.types
        return {name: argument(name, types[name], given, request.call) for name, given in filled.items()}

    def _length(self, call: Mapping[str, Any]) -> int | None:
        """As many frames of a video are used as are to be made, where the call or its defaults say so."""
        name = self._facts.frames_argument or ""
        count = call.get(name, self._signature.defaults.get(name))
        return count if isinstance(count, int) else None

    def _size(self, call: Mapping[str, Any]) -> tuple[int, int] | None:
        """(width, height) of the video to be made, where the call or its defaults say so."""
        defaults = self._signature.defaults
        width, height = (call.get(name, defaults.get(name)) for name in ("width", "height"))
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def _fps(self, request: Request) -> float:
        """The job's rate; else the rate that the call imagined; else the model's."""
        imagined = request.call.get(self._facts.fps_argument or "")
        if self._spec.fps or not isinstance(imagined, int | float):
            return self._spec.fps or self._facts.fps
        return float(imagined)

    def _recover(self) -> None:
        """Bring the pipeline back to where it was before a call that raised.

        What such a call leaves behind: keys kept by step caches, weights on the device that an offload
        would have taken back, and a scheduler in the middle of its steps.
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
    """Many pipelines take one prompt, and many that take lists take one prompt more simply."""
    return values[0] if len(values) == 1 else values


def _step_ended(*_: Any) -> dict[str, Any]:
    """What a pipeline calls after each step, in either form; of the tensors it gave, none is replaced."""
    step_done()
    return {}


def _explained(error: Exception) -> SampleError:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in said:
        return MemoryExceededError(said)
    return RowError(said)
