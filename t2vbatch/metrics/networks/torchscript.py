"""Networks as TorchScript files: what FVD's I3D and FID's Inception are passed round as."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from t2vbatch.errors import MetricError
from t2vbatch.metrics.networks.vision import BATCH, as_numpy
from t2vbatch.metrics.protocol import FloatArray, Network
from t2vbatch.metrics.weights import Located

_SWITCHES = ("rescale", "resize", "return_features")
"""Arguments that are set to true where a network has them: it then brings 0 to 255 to its own range, resizes
frames to its own size, and gives features instead of classes. I3D of StyleGAN-V has all three, Inception of
StyleGAN2-ADA the last, and does the others unasked."""


class TorchScript(Network):
    """Takes float32 from 0 to 255, RGB: frames as (N, 3, H, W), a video as (1, 3, T, H, W). Gives (N, D)."""

    def __init__(self, located: Located, device: str) -> None:
        self._device, self._path = device, located.path
        try:
            with warnings.catch_warnings():
                # Deprecated in favour of torch.export, which the files of the field are not.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._module = torch.jit.load(located.path, map_location=device).eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise MetricError(
                located.path, f"what torch cannot load ({reason})", "a TorchScript file"
            ) from None
        names = {argument.name for argument in self._module.forward.schema.arguments}
        self._switches = {name: True for name in _SWITCHES if name in names}

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.frame_features."""
        parts = [frames[start : start + BATCH] for start in range(0, len(frames), BATCH)]
        return np.concatenate([self._ran(np.moveaxis(part, -1, 1)) for part in parts])

    def video_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """See Network.video_features."""
        features: FloatArray = self._ran(np.moveaxis(frames, -1, 0)[None])[0]
        return features

    @torch.inference_mode()
    def _ran(self, pixels: npt.NDArray[np.uint8]) -> FloatArray:
        given = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).float()
        # The optimiser may exchange kernels after the first calls, on a GPU above all, and bits with them.
        with torch.jit.optimized_execution(False), self._explained(given):  # type: ignore[attr-defined]
            found = self._module(given, **self._switches)
        if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != len(given):
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise MetricError(
                self._path,
                f"{shape} for {len(given)} inputs of shape {tuple(given.shape[1:])}",
                "features of shape (N, D)",
                "flatten or pool them in the network, before it is exported",
            )
        return as_numpy(found.float())

    @contextmanager
    def _explained(self, given: torch.Tensor) -> Iterator[None]:
        """A program that refuses one video refuses all of their size: no retry can mend that."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise MetricError(
                self._path,
                f"an error for float32 of shape {tuple(given.shape)}: {str(error).splitlines()[-1]}",
                "a network that takes frames as (N, 3, H, W) for fid, a video as (1, 3, T, H, W) for fvd",
                "where it takes one height and width alone, ask for them with size",
            ) from error
