# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.8.0", "transformers==4.56.2", "numpy==2.2.6", "scipy==1.15.3"]
#
# [tool.t2vbatch]
# audio = true
# yields = {clap_score = "higher"}
# ///
"""CLAP score: how well the sound of a video matches its prompt.

    metrics:
      clap_score: {program: clap_score}

Definition: 100 x cosine of the CLAP embeddings of the sound and of the prompt. The sound is mixed to one
    channel and resampled to the model's rate. The model's own feature extractor cuts a long sound at a random
    place: here it is cut into consecutive windows of its length, whose embeddings are averaged. ``--text``
    names another text than the prompt, with {prompt} for it.
Source: Wu et al., Large-Scale Contrastive Language-Audio Pretraining, 2023; ``ClapModel`` of transformers.
Range: -100 to 100.
Direction: higher is better.
Cost: one pass of a small network for each 10 seconds.
Weights: laion/clap-htsat-unfused (``--model`` names a folder or another repository).
Tried with: tiny weights of the same classes, equal to an independent computation. Not tried with the real
    weights.
"""

import argparse
import json
import os
import sys
import wave
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="laion/clap-htsat-unfused", help="folder or hub id")
    parser.add_argument("--revision", help="commit of the hub repository")
    parser.add_argument("--text", default="{prompt}", help="what the sound is compared with")
    options = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(1), "w")  # What the libraries print goes to the error output.
    os.dup2(2, 1)
    judge = Judge(options)
    for line in sys.stdin:
        print(json.dumps(judge.answer(json.loads(line))), file=answers, flush=True)


class Judge:
    """The loaded model."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        self._torch, self._text = torch, options.text
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        named = {"revision": options.revision} if options.revision else {}
        self._model = ClapModel.from_pretrained(options.model, **named).to(self._device).eval()
        self._extractor = ClapFeatureExtractor.from_pretrained(options.model, **named)
        self._tokenizer = AutoTokenizer.from_pretrained(options.model, **named)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The score of one video, or the reason why it has none."""
        if not request.get("prompt"):
            return {"error": "the row has no prompt"}
        if not request.get("audio"):
            return {"error": "the video has no sound"}
        rate, length = self._extractor.sampling_rate, self._extractor.nb_max_samples
        sound = read_sound(request["audio"], rate)
        windows = [sound[start : start + length] for start in range(0, len(sound), length)]
        text = self._text.replace("{prompt}", request["prompt"])
        with self._torch.no_grad():
            heard = self._heard(windows, rate)
            tokens = self._tokenizer(text, truncation=True, return_tensors="pt").to(self._device)
            # Some tokenizers add type ids, which the model does not take.
            asked = {name: tokens[name] for name in ("input_ids", "attention_mask")}
            read = unit(pooled(self._model.get_text_features(**asked)))[0]
        return {"clap_score": 100 * float((heard * read).sum())}

    def _heard(self, windows: Sequence[Any], rate: int) -> Any:
        """The embedding of the sound, of unit length."""
        found = self._extractor(list(windows), sampling_rate=rate, return_tensors="pt").to(self._device)
        each = unit(pooled(self._model.get_audio_features(**found)))
        return unit(each.mean(dim=0, keepdim=True))[0]


def pooled(output: Any) -> Any:
    """The features, which newer versions of transformers wrap in an object."""
    return getattr(output, "pooler_output", output)


def unit(features: Any) -> Any:
    """The features divided by their lengths."""
    return features / features.norm(dim=-1, keepdim=True)


def read_sound(path: str, rate: int) -> Any:
    """One channel at this sample rate, as float32 from -1 to 1."""
    from scipy.signal import resample_poly

    with wave.open(path, "rb") as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        factor = Fraction(rate, file.getframerate())
    mono = data.mean(axis=1) / 32768
    if factor != 1:
        mono = resample_poly(mono, factor.numerator, factor.denominator)
    return mono.astype(np.float32)


if __name__ == "__main__":
    main()
