"""The scorer: a small CLIPModel trained on single frames and captions of the world.

A video's score is the mean over its frames of cos(frame, caption). It depends on the motion because
of the trail: one frame shows where the shape came from. Training frames get artefacts like those of video
compression, so that scores of encoded videos are comparable.
"""

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from t2vbatch.models.shapes.captions import caption
from t2vbatch.models.shapes.loop import Metrics
from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.parts import Clip, Processor, Tokenizer
from t2vbatch.models.shapes.pipeline import load_as_float32
from t2vbatch.models.shapes.text import MAX_TOKENS, tokenize
from t2vbatch.models.shapes.world import COLOURS, MOTIONS, Scene, render, sample_scene

FRAMES_PER_CLIP = 6  # drawing a clip takes longer than training on its frames
INPUT, PATCH = 32, 8  # pixels; frames are halved first: a quarter of the cost, and robust to compression
MEAN, DEVIATION = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]


def build_clip(tokenizer: Tokenizer, width: int = 160) -> Clip:
    """Fresh weights: 16 patches of 8x8 pixels on one side, up to MAX_TOKENS tokens on the other."""
    shared = {"hidden_size": width, "intermediate_size": 3 * width, "num_attention_heads": width // 32}
    text = {
        **shared,
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**shared, "num_hidden_layers": 4, "image_size": INPUT, "patch_size": PATCH}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width))


def build_processor(tokenizer: Tokenizer) -> Processor:
    """The processor: resizes to 32x32 and scales to [-1, 1] with PIL; and the tokenizer."""
    images = CLIPImageProcessorPil(
        size={"shortest_edge": INPUT},
        crop_size={"height": INPUT, "width": INPUT},
        image_mean=MEAN,
        image_std=DEVIATION,
    )
    return CLIPProcessor(images, tokenizer)


def save_clip(model: Clip, processor: Processor, folder: Path) -> None:
    """Write float16 weights and the processor."""
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    load_as_float32(folder)


class ClipPart:
    """Contrast of frames and captions; three linear readers of the frame's embedding help at the start."""

    name = "clip"

    def __init__(self, model: Clip, tokenizer: Tokenizer) -> None:
        width = model.config.projection_dim
        readers = {"colour": len(COLOURS), "shape": len(SHAPES), "motion": len(MOTIONS)}
        self.heads = nn.ModuleDict({name: nn.Linear(width, count) for name, count in readers.items()})
        self.module: nn.Module = nn.ModuleDict({"clip": model, "heads_embed": self.heads})
        self.model, self.tokenizer = model, tokenizer

    def loss(self, rng: random.Random, batch: int) -> tuple[Tensor, Metrics]:
        scenes = [sample_scene(rng) for _ in range(batch // FRAMES_PER_CLIP)]
        clips = render(scenes)
        picks = [
            (i, t) for i in range(len(scenes)) for t in rng.sample(range(clips.shape[1]), FRAMES_PER_CLIP)
        ]
        shown = [scenes[i] for i, _ in picks]
        device = next(self.module.parameters()).device
        frames = torch.stack([clips[i, t] for i, t in picks]).to(device)
        ids, mask = (x.to(device) for x in tokenize(self.tokenizer, [caption(s, rng) for s in shown]))
        output = self.model(input_ids=ids, attention_mask=mask, pixel_values=roughen(frames))
        logits = output.logits_per_image.float()
        same = _same(shown).to(device)
        logits = logits.masked_fill(same & ~torch.eye(len(shown), dtype=torch.bool, device=device), -1e4)
        target = torch.arange(len(shown), device=device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        reading, metrics = self._read(output.image_embeds, shown)
        hits = (logits.argmax(dim=1) == target).float().mean().item()
        return contrast + reading, {"contrast": contrast.item(), "hits": hits, **metrics}

    def _read(self, embeds: Tensor, scenes: list[Scene]) -> tuple[Tensor, Metrics]:
        loss, metrics = embeds.new_zeros(()), {}
        options = {"colour": tuple(COLOURS), "shape": SHAPES, "motion": MOTIONS}
        for name, values in options.items():
            logits = self.heads[name](embeds * 8).float()
            target = torch.tensor([values.index(getattr(s, name)) for s in scenes], device=embeds.device)
            loss = loss + F.cross_entropy(logits, target)
            metrics[name] = (logits.argmax(dim=1) == target).float().mean().item()
        return loss, metrics


def roughen(frames: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> (B, 3, INPUT, INPUT) in [-1, 1]: halved, with coarse colour, noise and drift."""
    x = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    x = F.interpolate(x, size=(INPUT, INPUT), mode="bicubic", antialias=True)
    luma = x.mean(dim=1, keepdim=True)
    smooth = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    chroma, soft_luma = smooth - smooth.mean(dim=1, keepdim=True), smooth.mean(dim=1, keepdim=True)
    amount = torch.rand(4, len(x), 1, 1, 1, device=x.device)
    luma = luma + 0.5 * amount[0] * (soft_luma - luma)
    x = luma + (x - x.mean(dim=1, keepdim=True)).lerp(chroma, 0.6 * amount[1])
    x = x + 0.06 * amount[2] * torch.randn_like(x)
    return x * (1 + 0.2 * (amount[3] - 0.5)) + 0.06 * torch.randn(len(x), 3, 1, 1, device=x.device)


def _same(scenes: list[Scene]) -> Tensor:
    """Pairs of scenes that one caption may describe, so that neither is a wrong caption of the other."""
    keys = [(s.colour, s.shape, s.motion) for s in scenes]
    return torch.tensor([[a == b for b in keys] for a in keys])
