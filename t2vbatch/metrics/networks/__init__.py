"""The trained networks that metrics use, loaded by transformers; one file for each family.

They run in float32 and on one video at a time, so that every worker computes the same bits for a score. The
PIL image processor prepares frames: torchvision's processor rounds differently and is not always installed.
"""

from collections.abc import Callable, Mapping
from pickle import UnpicklingError

from transformers.utils import logging

from t2vbatch.errors import MetricError
from t2vbatch.metrics.networks.head import Head
from t2vbatch.metrics.networks.imagetext import Clip, Siglip
from t2vbatch.metrics.networks.torchscript import TorchScript
from t2vbatch.metrics.networks.video import VideoEncoder
from t2vbatch.metrics.networks.vision import Vision
from t2vbatch.metrics.networks.xclip import XClip
from t2vbatch.metrics.protocol import Kind, Network, Weights
from t2vbatch.metrics.weights import Located, locate

NETWORKS: Mapping[Kind, Callable[[Located, str], Network]] = {
    "clip": Clip,
    "siglip": Siglip,
    "xclip": XClip,
    "vision": Vision,
    "video": VideoEncoder,
    "head": Head,
    "torchscript": TorchScript,
}
"""Kind of weights: the class that loads them onto a device."""


def load_network(weights: Weights, device: str) -> Network:
    """Load a network onto a torch device. Raises MetricError if that fails."""
    located = locate(weights)
    # The loading bar of each worker would overwrite the run's progress line.
    logging.disable_progress_bar()
    try:
        return NETWORKS[weights.kind](located, device)
    except (OSError, ValueError, KeyError, UnpicklingError) as error:
        raise MetricError(
            f"the {weights.kind} weights {weights.path!r}",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "safetensors weights with their tokenizer and image processor",
        ) from error
