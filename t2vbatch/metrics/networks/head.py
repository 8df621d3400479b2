"""A linear layer on the features of another network, such as the LAION aesthetic predictor."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from t2vbatch.metrics.protocol import FloatArray, Network
from t2vbatch.metrics.weights import Located


class Head(Network):
    """``weight`` of shape (1, D) and ``bias`` of shape (1,), in a .safetensors or a .pth file."""

    def __init__(self, located: Located, device: str) -> None:
        path = Path(located.path)
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            # weights_only rejects a pickle that contains anything but tensors.
            state = torch.load(path, map_location="cpu", weights_only=True)
        self._weight = state["weight"].double().numpy().reshape(-1)
        self._bias = float(state["bias"].double().reshape(()))

    def rate(self, features: FloatArray) -> FloatArray:
        """See Network.rate."""
        if features.shape[-1] != len(self._weight):
            wanted = len(self._weight)
            raise ValueError(f"the head takes features of {wanted} dimensions, not {features.shape[-1]}")
        return np.asarray(features @ self._weight + self._bias)
