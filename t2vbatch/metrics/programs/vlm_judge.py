# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pillow"]
# ///
"""Asks a vision language model, behind an OpenAI-like endpoint, how well a video shows its prompt.

A metric ``command`` of a job::

    metrics:
      vlm_judge:
        command: [python, -m, t2vbatch.metrics.programs.vlm_judge, --url, "http://localhost:8000/v1",
            --model, NAME]
        yields: {vlm_judge: higher, vlm_judge_agreement: none}

For each video it sends evenly spread frames and the prompt, and asks for a number from 1 (shows nothing of
the prompt) to 5 (shows all of it). It asks ``--votes`` times, half of them with the frames in reverse
order on the page, and writes the mean as ``vlm_judge`` and the share of equal pairs of answers as
``vlm_judge_agreement``: how much the model agrees with itself. The key of the endpoint is read from the
environment variable VLM_JUDGE_KEY.

Source: defined here; ``QUESTION`` below is the whole prompt. It was tried with a stand-in endpoint only,
so no published number belongs to it.
"""

import argparse
import base64
import io
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image

QUESTION = (
    "These are {count} frames of one video, in order of time. The video should show: {prompt!r}. How well"
    " does it show that? Answer with one number from 1 (nothing of it) to 5 (all of it), and nothing else."
)
REVERSED = "These frames of one video are in reverse order of time. "


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="base of the endpoint, which ends in /v1")
    parser.add_argument("--model", required=True, help="name of the model at the endpoint")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--votes", type=int, default=4, help="answers per video")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one answer")
    options = parser.parse_args(arguments)
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line), options)), flush=True)


def judge(request: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The scores of one video, or the reason why it has none."""
    if not request.get("prompt"):
        return {"error": "the row has no prompt"}
    frames = np.load(request["frames"], allow_pickle=False)
    at = np.linspace(0, len(frames) - 1, min(options.frames, len(frames))).round().astype(int)
    pictures = [_encoded(frames[index]) for index in at]
    try:
        answers = [_ask(pictures, request["prompt"], vote, options) for vote in range(options.votes)]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return {"error": f"the endpoint gave no number: {error}"}
    pairs = list(combinations(answers, 2))
    agreement = sum(a == b for a, b in pairs) / len(pairs) if pairs else 1.0
    return {"vlm_judge": float(np.mean(answers)), "vlm_judge_agreement": agreement}


def _ask(pictures: list[str], prompt: str, vote: int, options: argparse.Namespace) -> int:
    """One answer, from 1 to 5. Every second vote gets the frames in reverse order."""
    backwards = vote % 2 == 1
    text = (REVERSED if backwards else "") + QUESTION.format(count=len(pictures), prompt=prompt)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for picture in pictures[::-1] if backwards else pictures:
        content.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}})
    body = {
        "model": options.model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0 if options.votes <= 2 else 1,
        "seed": vote,
        "max_tokens": 16,
    }
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("VLM_JUDGE_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    url = options.url.rstrip("/") + "/chat/completions"
    asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=options.timeout) as answer:
        said = json.load(answer)["choices"][0]["message"]["content"]
    found = re.fullmatch(r"\W*([1-5])\W*", said.strip())
    if found is None:
        raise ValueError(f"answered {said[:80]!r} instead of a number from 1 to 5")
    return int(found[1])


def _encoded(frame: np.ndarray[Any, Any]) -> str:
    image = Image.fromarray(frame)
    image.thumbnail((512, 512))
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=90)
    return base64.b64encode(sink.getvalue()).decode()


if __name__ == "__main__":
    main()
