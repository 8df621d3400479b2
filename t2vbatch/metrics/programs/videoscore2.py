# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "torch==2.6.0",
#   "torchvision==0.21.0",
#   "transformers==4.53.2",
#   "numpy==2.2.6",
#   "accelerate==1.8.1",
#   "qwen-vl-utils==0.0.14",
# ]
#
# [tool.t2vbatch.yields]
# videoscore2_visual_quality = "higher"
# videoscore2_alignment = "higher"
# videoscore2_physical = "higher"
# ///
"""VideoScore2: a fine-tuned Qwen2.5-VL rates visual quality, alignment with the prompt, and physics.

    metrics:
      videoscore2: {program: videoscore2, arguments: [--dtype, bfloat16]}

Definition: the model gets the frames, 2 per second, and the prompt, and writes its reasons and three scores
    from 1 to 5. ``--score official`` (default) is the most likely score times its share of the probability of
    1 to 5, as in the source; ``expected`` is the mean of 1 to 5 under these probabilities; ``integer`` is the
    score as written. The answer is sampled at temperature 0.7, as in the source, with a fixed seed.
Source: He et al., VideoScore2, 2025; ``vs2_inference.py`` of the repository TIGER-AI-Lab/VideoScore2, with
    the versions of packages that its model card names. The source loads float32; ``--dtype`` names another.
Range: 0 to 5.
Direction: higher is better.
Cost: up to 1,024 generated tokens per video by a model of 7 billion parameters.
Weights: TIGER-Lab/VideoScore2 (``--model`` names a folder or another repository).
Tried with: tiny weights of the same classes that write a known answer: for four lossless videos (also of
    odd length, 16:9 and 9:16) the inputs of the model and the scores equal those of the source's script. Not
    tried with the real weights.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from string import Template
from typing import Any

import numpy as np

QUESTION = Template("""
    You are an expert for evaluating AI-generated videos from three dimensions:
    (1) visual quality \N{EN DASH} clarity, smoothness, artifacts;
    (2) text-to-video alignment \N{EN DASH} fidelity to the prompt;
    (3) physical/common-sense consistency \N{EN DASH} naturalness and physics plausibility.

    Video prompt: $t2v_prompt

    Please output in this format:
    visual quality: <v_score>;\x20
    text-to-video alignment: <t_score>,\x20
    physical/common-sense consistency: <p_score>
    """)

LABELS = {
    "videoscore2_visual_quality": "visual quality:",
    "videoscore2_alignment": "text-to-video alignment:",
    "videoscore2_physical": "physical/common-sense consistency:",
}
"""Column: what the model writes before the score."""

FRAMES_PER_S = 2.0
TEMPERATURE = 0.7


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="TIGER-Lab/VideoScore2", help="folder or hub id")
    parser.add_argument("--revision", help="commit of the hub repository")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--score", default="official", choices=("official", "expected", "integer"))
    parser.add_argument("--tokens", type=int, default=1024, help="the longest answer")
    parser.add_argument("--seed", type=int, default=0)
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
        from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

        self._torch, self._options = torch, options
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            options.model, revision=options.revision, torch_dtype=getattr(torch, options.dtype)
        )
        self._model = model.to(self._device).eval()
        self._processor = AutoProcessor.from_pretrained(options.model, revision=options.revision)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The three scores of one video, or the reason why it has none."""
        if not request.get("prompt"):
            return {"error": "the row has no prompt"}
        frames = np.load(request["frames"], allow_pickle=False)
        if len(frames) < 2:
            return {"error": "the video has a single frame, and VideoScore2 takes two or more"}
        tokens, logits = self._generated(frames, request["fps"], request["prompt"])
        found = {}
        for column, label in LABELS.items():
            at = score_position(label, tokens, self._processor.tokenizer)
            if at is None:
                text = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
                return {"error": f"the model wrote no score after {label!r}: {text[-200:]!r}"}
            found[column] = self._score(tokens[at], logits[at][0])
        return found

    def _generated(self, frames: Any, fps: float, prompt: str) -> tuple[list[int], Any]:
        """The tokens that the model writes, and the logits of each."""
        content = [
            {"type": "video", "video": frames_as_video(frames, fps), "fps": FRAMES_PER_S},
            {"type": "text", "text": QUESTION.substitute(t2v_prompt=prompt)},
        ]
        messages = [{"role": "user", "content": content}]
        from qwen_vl_utils import process_vision_info

        text = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        images, videos = process_vision_info(messages)
        inputs = self._processor(
            text=[text], images=images, videos=videos, fps=FRAMES_PER_S, padding=True, return_tensors="pt"
        ).to(self._device)
        self._torch.manual_seed(self._options.seed)
        made = self._model.generate(
            **inputs,
            max_new_tokens=self._options.tokens,
            output_scores=True,
            return_dict_in_generate=True,
            do_sample=True,
            temperature=TEMPERATURE,
        )
        return made.sequences[0, inputs["input_ids"].shape[1] :].tolist(), made.scores

    def _score(self, token: int, logits: Any) -> float:
        tokenizer = self._processor.tokenizer
        if self._options.score == "integer":
            return float(tokenizer.decode([token]))
        ids = [tokenizer.encode(str(score), add_special_tokens=False) for score in range(1, 6)]
        shares = self._torch.softmax(logits.float(), dim=-1)[[one[0] for one in ids]].tolist()
        return combined(shares, self._options.score)


def combined(shares: Sequence[float], kind: str) -> float:
    """One score from the probabilities of 1 to 5."""
    total = sum(shares)
    if kind == "expected":
        return sum(score * share for score, share in enumerate(shares, 1)) / total
    highest = max(shares)
    return (shares.index(highest) + 1) * highest / total


def score_position(label: str, tokens: Sequence[int], tokenizer: Any) -> int | None:
    """The position of the token with the first digit after the label, None if there is none."""
    whole = tokenizer.decode(tokens, skip_special_tokens=False)
    found = re.search(re.escape(label) + r"\D*?(?=\d)", whole, re.IGNORECASE)
    if found is None:
        return None
    for position in range(len(tokens)):
        written = tokenizer.decode(tokens[: position + 1], skip_special_tokens=False)
        if len(written) > found.end():
            return position if written == whole[: found.end() + 1] else None
    return None


def frames_as_video(frames: Any, fps: float) -> str:
    """A name under which qwen_vl_utils reads these frames, so that its own rules choose and resize them."""
    import torch
    from qwen_vl_utils import vision_process

    def read(asked: dict[str, Any]) -> tuple[Any, dict[str, Any], float]:
        count = vision_process.smart_nframes(asked, total_frames=len(frames), video_fps=fps)
        index = torch.linspace(0, len(frames) - 1, count).round().long()
        about = {
            "fps": fps,
            "frames_indices": index,
            "total_num_frames": len(frames),
            "video_backend": "memory",
        }
        return torch.from_numpy(frames).permute(0, 3, 1, 2)[index], about, count / len(frames) * fps

    vision_process.VIDEO_READER_BACKENDS["memory"] = read
    vision_process.FORCE_QWENVL_VIDEO_READER = "memory"
    return "frames"


if __name__ == "__main__":
    main()
