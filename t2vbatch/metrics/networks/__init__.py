"""The trained networks that metrics look with, loaded by transformers, one file a family.

Always float32, and one video at a time, so that a score is the same bits whichever worker computes it.
Pictures are prepared by the PIL processor: the torchvision one rounds differently, and is not everywhere.
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
"""Kind of weights: what loads them onto a device."""


def load_network(weights: Weights, device: str) -> Network:
    """Load a network onto a torch device. Raises MetricError where it cannot be had."""
    located = locate(weights)
    # The bar would break into the run's own progress line, once a worker.
    logging.disable_progress_bar()
    try:
        return NETWORKS[weights.kind](located, device)
    except (OSError, ValueError, KeyError, UnpicklingError) as error:
        raise MetricError(
            f"the {weights.kind} weights {weights.path!r}",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "safetensors weights with the tokenizer and image processor that belong to them",
        ) from error
