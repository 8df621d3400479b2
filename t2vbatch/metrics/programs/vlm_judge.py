# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy==2.2.6", "pillow==11.3.0"]
#
# [tool.t2vbatch]
# pairs = true
# yields = {vlm_judge = "higher", vlm_judge_agreement = "none"}
# ///
"""VLM judge: a vision language model, behind an OpenAI-like endpoint, rates a video or compares two.

    metrics:
      vlm_judge:
        program: vlm_judge
        arguments: [--url, "http://localhost:8000/v1", --model, NAME]

Definition: for each video it sends evenly spread frames and the prompt, and asks for a number from 1 (shows
    nothing of the prompt) to 5 (shows all of it). It asks ``--votes`` times, half of them with the frames in
    reverse order on the page; ``vlm_judge`` is the mean, and ``vlm_judge_agreement`` the share of equal pairs
    of answers: how much the model agrees with itself. For a pair (``t2vbatch judge``) it sends the frames of
    both videos and asks which one is better, A, B or tie.
Source: defined here; ``QUESTION`` and ``PAIR_QUESTION`` are the whole prompts. No published number belongs to
    it.
Range: 1 to 5; agreement 0 to 1.
Direction: higher is better; agreement has none.
Cost: ``--votes`` requests per video; two per pair. A request that fails with a status that may pass (429,
    5xx) or without an answer is repeated ``--retries`` times.
Weights: those of the endpoint. Its key is read from the environment variable VLM_JUDGE_KEY.
Tried with: a stand-in endpoint only.
"""

import argparse
import base64
import io
import json
import os
import re
import sys
import time
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
PAIR_QUESTION = (
    "Two videos should show: {prompt!r}. You see frames of video A, then frames of video B, each in order of"
    " time. Which video is better, by how well it shows that and by how good it looks? Answer with one word,"
    " A, B or tie, and nothing else."
)
PREFERENCES = {"a": "a", "b": "b", "tie": "tie"}


class EndpointError(Exception):
    """The endpoint could not be reached, or refused the request; another try may succeed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="base of the endpoint, which ends in /v1")
    parser.add_argument("--model", required=True, help="name of the model at the endpoint")
    parser.add_argument("--frames", type=int, default=8, help="frames per video")
    parser.add_argument("--votes", type=int, default=4, help="answers per video")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one answer")
    parser.add_argument("--retries", type=int, default=3, help="how often a failed request is repeated")
    parser.add_argument(
        "--wait", type=float, default=1.0, help="seconds before the first repetition; then doubled"
    )
    options = parser.parse_args(arguments)
    for line in sys.stdin:
        request = json.loads(line)
        answer = compare(request, options) if "a" in request else judge(request, options)
        print(json.dumps({"id": request.get("id"), **answer}), flush=True)


def judge(request: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The scores of one video, or the reason why it has none."""
    if not request.get("prompt"):
        return {"error": "the row has no prompt"}
    pictures = _pictures(request["frames"], options.frames)
    try:
        answers = [_rating(pictures, request["prompt"], vote, options) for vote in range(options.votes)]
    except EndpointError as error:
        return {"error": f"the endpoint gave no number: {error}", "retry": True}
    except ValueError as error:
        return {"error": f"the endpoint gave no number: {error}"}
    pairs = list(combinations(answers, 2))
    agreement = sum(a == b for a, b in pairs) / len(pairs) if pairs else 1.0
    return {"vlm_judge": float(np.mean(answers)), "vlm_judge_agreement": agreement}


def compare(request: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Which of two videos is better, or the reason why that is not known."""
    if not request.get("prompt"):
        return {"error": "the row has no prompt"}
    content = [_text(PAIR_QUESTION.format(prompt=request["prompt"]))]
    for name in ("a", "b"):
        content.append(_text(f"Video {name.upper()}:"))
        content += map(_image, _pictures(request[name]["frames"], options.frames))
    try:
        said = _ask(content, 0, 0, options)
    except EndpointError as error:
        return {"error": f"the endpoint gave no preference: {error}", "retry": True}
    found = PREFERENCES.get(re.sub(r"\W", "", said).lower())
    if found is None:
        return {"error": f"the endpoint gave no preference: answered {said[:80]!r} instead of A, B or tie"}
    return {"preference": found}


def _rating(pictures: list[str], prompt: str, vote: int, options: argparse.Namespace) -> int:
    """One answer, from 1 to 5. Every second vote gets the frames in reverse order."""
    backwards = vote % 2 == 1
    text = (REVERSED if backwards else "") + QUESTION.format(count=len(pictures), prompt=prompt)
    content = [_text(text), *map(_image, pictures[::-1] if backwards else pictures)]
    said = _ask(content, 0 if options.votes <= 2 else 1, vote, options)
    found = re.fullmatch(r"\W*([1-5])\W*", said.strip())
    if found is None:
        raise ValueError(f"answered {said[:80]!r} instead of a number from 1 to 5")
    return int(found[1])


def _ask(content: list[Any], temperature: float, seed: int, options: argparse.Namespace) -> str:
    """The text of the model's answer. Raises EndpointError after the last repetition."""
    body = {
        "model": options.model,
        "messages": [{"role": "user", "content": content}],
        "temperature": temperature,
        "seed": seed,
        "max_tokens": 16,
    }
    key = os.environ.get("VLM_JUDGE_KEY")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    url = options.url.rstrip("/") + "/chat/completions"
    asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
    for attempt in range(options.retries + 1):
        try:
            with urllib.request.urlopen(asked, timeout=options.timeout) as answer:
                return str(json.load(answer)["choices"][0]["message"]["content"])
        except urllib.error.HTTPError as error:
            problem = f"{error} {error.read(300).decode(errors='replace')}".strip()
            lasting = error.code < 500 and error.code not in (408, 409, 425, 429)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            problem, lasting = f"{type(error).__name__}: {error}", False
        if lasting or attempt == options.retries:
            break
        time.sleep(options.wait * 2**attempt)
    # Some endpoints repeat the key in their message, and this one ends in records.
    raise EndpointError(problem.replace(key, "***") if key else problem)


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _image(picture: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}


def _pictures(path: str, count: int) -> list[str]:
    """Evenly spread frames as JPEG in base64."""
    frames = np.load(path, allow_pickle=False)
    at = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [_encoded(frames[index]) for index in at]


def _encoded(frame: np.ndarray[Any, Any]) -> str:
    image = Image.fromarray(frame)
    image.thumbnail((512, 512))
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=90)
    return base64.b64encode(sink.getvalue()).decode()


if __name__ == "__main__":
    main()
