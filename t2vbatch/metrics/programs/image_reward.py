# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = [
#   "image-reward==1.5",
#   "openai-clip==1.0.1",
#   "torch==2.5.1",
#   "torchvision==0.20.1",
#   "numpy==1.26.4",
#   "transformers==4.33.2",
#   "diffusers==0.21.4",
#   "accelerate==0.23.0",
#   "datasets==2.14.7",
#   "huggingface-hub==0.17.3",
#   "pyarrow==14.0.2",
#   "setuptools==80.10.2",
# ]
#
# [tool.t2vbatch.yields]
# image_reward = "higher"
# ///
"""ImageReward: a reward model of human preference rates single frames against the prompt.

    metrics:
      image_reward: {program: image_reward}

Definition: mean over ``--frames`` evenly spread frames of the reward that the package's ``score`` gives to
    frame and prompt. The model was trained on images, so it does not see motion.
Source: Xu et al., ImageReward, 2023; the package image-reward 1.5.
Range: unbounded; 0 is the mean of the training data, 1 its standard deviation.
Direction: higher is better.
Cost: one pass of BLIP (ViT-L) per frame.
Weights: THUDM/ImageReward, and the tokenizer bert-base-uncased (``--model`` and ``--config`` name local
    files).
Tried with: random weights of the package's classes, equal to the package's own score. Not tried with the real
    weights.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="ImageReward-v1.0", help="the name, or a file with the weights")
    parser.add_argument("--config", help="med_config.json, if --model is a file")
    parser.add_argument("--frames", type=int, default=8)
    options = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(1), "w")  # What the libraries print goes to the error output.
    os.dup2(2, 1)
    import ImageReward

    model = ImageReward.load(options.model, med_config=options.config)
    for line in sys.stdin:
        print(json.dumps(reward(json.loads(line), model, options.frames)), file=answers, flush=True)


def reward(request: dict[str, Any], model: Any, count: int) -> dict[str, Any]:
    """The mean reward of one video, or the reason why it has none."""
    import torch
    from PIL import Image

    if not request.get("prompt"):
        return {"error": "the row has no prompt"}
    frames = np.load(request["frames"], allow_pickle=False)
    at = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    with torch.no_grad():
        rewards = [model.score(request["prompt"], Image.fromarray(frames[index])) for index in at]
    return {"image_reward": float(np.mean(rewards))}


if __name__ == "__main__":
    main()
