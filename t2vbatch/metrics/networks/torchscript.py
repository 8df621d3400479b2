"""Networks as TorchScript files, the usual form of FVD's I3D and FID's Inception."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from t2vbatch.errors import MetricError
from t2vbatch.metrics.networks.vision import as_numpy
from t2vbatch.metrics.protocol import FloatArray, Network
from t2vbatch.metrics.weights import Located

_BATCH = 16
"""Frames per forward pass; 16 images of 336 pixels fit any device."""

_SWITCHES = ("rescale", "resize", "return_features")
"""Arguments that are set to true if the network has them. The network then rescales 0 to 255 to its own
range, resizes frames to its own size, and returns features instead of classes. I3D of StyleGAN-V has all
three. Inception of StyleGAN2-ADA has the last one, and always rescales and resizes."""


class TorchScript(Network):
    """Takes float32 RGB from 0 to 255: frames as (N, 3, H, W), a video as (1, 3, T, H, W). Returns (N, D)."""

    def __init__(self, located: Located, device: str) -> None:
        self._device, self._path = device, located.path
        try:
            with warnings.catch_warnings():
                # torch deprecates TorchScript for torch.export, but published networks are TorchScript.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._module = torch.jit.load(located.path, map_location=device).eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise MetricError(
                located.path, f"a file that torch cannot load ({reason})", "a TorchScript file"
            ) from None
        names = {argument.name for argument in self._module.forward.schema.arguments}
        self._switches = {name: True for name in _SWITCHES if name in names}

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features."""
        parts = [frames[start : start + _BATCH] for start in range(0, len(frames), _BATCH)]
        return np.concatenate([self._run(np.moveaxis(part, -1, 1)) for part in parts])

    def video_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.video_features."""
        features: FloatArray = self._run(np.moveaxis(frames, -1, 0)[None])[0]
        return features

    @torch.inference_mode()
    def _run(self, pixels: npt.NDArray[np.uint8]) -> FloatArray:
        given = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).float()
        # The optimizer may switch kernels after the first calls, which changes bits, mostly on a GPU.
        with torch.jit.optimized_execution(False), self._explained(given):  # type: ignore[attr-defined]
            found = self._module(given, **self._switches)
        if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != len(given):
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise MetricError(
                self._path,
                f"{shape} for {len(given)} inputs of shape {tuple(given.shape[1:])}",
                "features of shape (N, D)",
                "flatten or pool the features in the network, then export it again",
            )
        return as_numpy(found.float())

    @contextmanager
    def _explained(self, given: torch.Tensor) -> Iterator[None]:
        """A network that rejects one video rejects every video of this size, so a retry is useless."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise MetricError(
                self._path,
                f"an error for float32 of shape {tuple(given.shape)}: {str(error).splitlines()[-1]}",
                "a network that takes frames as (N, 3, H, W) for fid, a video as (1, 3, T, H, W) for fvd",
                "if the network takes only one height and width, set size to it",
            ) from error
