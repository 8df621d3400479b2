"""Encodes each distinct prompt once for each worker: keeps the results of a pipeline's prompt encoding.

A pipeline encodes by methods such as ``encode_prompt`` and ``_get_t5_prompt_embeds``. Their results depend on
their arguments and on the guidance of the call alone, so that a kept result has the same bits. Calls with
other arguments than texts and numbers, such as an image, are never kept.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from t2vbatch.models.checkpoints.settings import DENOISERS

MOST_BYTES = 1 << 30
"""Most memory of the machine for kept encodings: those of some hundred prompts by a large T5."""

_ENCODING = re.compile(r"_?encode_prompt|_get_(\w+_)?prompt_embeds")
_ENCODER = re.compile(r"text_encoder(_\d+)?")
_PLAIN = (str, int, float, bool, type(None), torch.device, torch.dtype)


class EncodedError(Exception):
    """Ends a call that was made for its encodings alone."""


class ParkedEncoder:
    """Takes the place of a text encoder that is off the device: calls read its config and its dtype.

    With None in its place, LTX-2 would choose another compression of its input image, and EasyAnimate another
    dtype.
    """

    def __init__(self, encoder: Any) -> None:
        self.config, self.dtype = encoder.config, encoder.dtype


class PromptCache:
    """The kept encodings of one loaded pipeline.

    Attributes:
        encodings: how often a text encoder was used so far.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._parked: dict[str, torch.nn.Module] = {}
        self._device: torch.device | None = None
        self._depth = 0
        self._encoded = False
        self.encodings = 0

    def install(self) -> None:
        """Replace the encoding methods of the pipeline by methods that keep their results."""
        for name in dir(type(self._pipeline)):
            if _ENCODING.fullmatch(name):
                setattr(self._pipeline, name, self._keeping(name, getattr(self._pipeline, name)))

    def park(self, device: torch.device) -> bool:
        """Take the text encoders off the device until a new prompt is encoded; whether there are any."""
        self._parked = self._encoders()
        self._device = device
        self._remove()
        return bool(self._parked)

    def _encoders(self) -> dict[str, torch.nn.Module]:
        parts = {**self._pipeline.components, **self._parked}
        return {
            name: part
            for name, part in parts.items()
            if _ENCODER.fullmatch(name) and isinstance(part, torch.nn.Module)
        }

    def _keeping(self, name: str, encode: Callable[..., Any]) -> Callable[..., Any]:
        def kept(*args: Any, **kwargs: Any) -> Any:
            key = self._key(name, args, kwargs)
            self._encoded = True
            if key is not None and key in self._kept:
                self._kept.move_to_end(key)
                return _restored(self._kept[key][0])
            with self.encoders():
                found = encode(*args, **kwargs)
            self.encodings += 1
            if key is not None and (size := _size(found)) is not None:
                self._keep(key, found, size)
            return found

        return kept

    def _key(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """The arguments and the call's guidance as text; None if some of them have no text form."""
        if not _is_plain([args, kwargs]):
            return None
        state = vars(self._pipeline)
        guidance = {key: state[key] for key in sorted(state) if "guidance" in key or "skip" in key}
        if not _is_plain(guidance):
            return None
        return repr((name, args, sorted(kwargs.items()), sorted(guidance.items())))

    def _keep(self, key: str, found: Any, size: int) -> None:
        self._kept[key] = (_stored(found), size)
        self._bytes += size
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][1]

    @property
    def is_full(self) -> bool:
        """Whether about one more encoding would exceed the limit of memory."""
        largest = max((size for _, size in self._kept.values()), default=0)
        return self._bytes + largest > MOST_BYTES

    @contextmanager
    def encoding_only(self) -> Iterator[None]:
        """Within the block, one call of the pipeline ends with EncodedError after its encodings.

        Networks that run before, such as an autoencoder that reads an input video, do run; a denoiser never.
        """
        self._encoded = False
        encoders = set(map(id, self._encoders().values()))
        parts = [(name, part) for name, part in self._pipeline.components.items() if id(part) not in encoders]
        hooks = []
        for name, part in parts:
            stop = self._stop_always if name in DENOISERS else self._stop_once_encoded
            # Networks have other methods than forward, such as an autoencoder's encode, which call a child.
            modules = (part, *part.children()) if isinstance(part, torch.nn.Module) else ()
            hooks += [module.register_forward_pre_hook(stop) for module in modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _stop_always(self, *_: Any) -> None:
        raise EncodedError

    def _stop_once_encoded(self, *_: Any) -> None:
        if self._encoded:
            raise EncodedError

    @contextmanager
    def encoders(self) -> Iterator[None]:
        """Bring parked encoders back for the duration of the block; methods may call each other."""
        self._depth += 1
        try:
            if self._depth == 1:
                for name, part in self._parked.items():
                    setattr(self._pipeline, name, part.to(self._device))
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._remove()

    def _remove(self) -> None:
        # A pipeline takes the device of its first part for its own: a parked encoder must not be a network.
        for name, part in self._parked.items():
            part.to("cpu")
            setattr(self._pipeline, name, ParkedEncoder(part))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, _PLAIN)


def _size(found: Any) -> int | None:
    """Bytes of all tensors in a result; None if it has other values than tensors."""
    if isinstance(found, torch.Tensor):
        return found.numel() * found.element_size()
    if not isinstance(found, list | tuple):
        return 0 if found is None else None
    sizes = [_size(item) for item in found]
    return None if None in sizes else sum(size or 0 for size in sizes)


@dataclass(frozen=True)
class _Stored:
    """A tensor in the machine's memory, and the device that it came from."""

    tensor: torch.Tensor
    device: torch.device


def _stored(found: Any) -> Any:
    if isinstance(found, torch.Tensor):
        return _Stored(found.detach().to("cpu", copy=True), found.device)
    return found if found is None else type(found)(map(_stored, found))


def _restored(stored: Any) -> Any:
    """Fresh copies: a pipeline may write into what it gets."""
    if isinstance(stored, _Stored):
        return stored.tensor.to(stored.device, copy=True)
    return stored if stored is None else type(stored)(map(_restored, stored))
