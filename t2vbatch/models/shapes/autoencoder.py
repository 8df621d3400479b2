"""The autoencoder, a small AutoencoderKLWan: videos to latents, which are 35 times smaller, and back.

Pixels are first folded in blocks of 4x4 into channels, then halved once in space and in time: 9 frames of
64x64 become 5 x 8 x 8 latents of 10 channels.
(Halving twice was tried: after the same time its reconstructions were 4 dB worse and had no clear shapes.)
"""

import random

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

from t2vbatch.models.shapes.loop import Metrics
from t2vbatch.models.shapes.parts import Autoencoder
from t2vbatch.models.shapes.world import FRAMES, SIZE, render, sample_scene

CHANNELS = 10
SPATIAL, TEMPORAL = 8, 2  # pixels and frames for each latent
WINDOW, CROP = 5, 32  # frames and pixels of a training window
LATENT_NOISE = 0.15  # most noise, in standard deviations, while the decoder is trained further
WHOLE = 0.15  # share of steps on whole clips instead


def build_autoencoder(width: int = 32) -> Autoencoder:
    """Fresh weights; the latent statistics are neutral until `measure_latents` fills them in."""
    module = AutoencoderKLWan(
        base_dim=width,
        z_dim=CHANNELS,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[True],
        latents_mean=[0.0] * CHANNELS,
        latents_std=[1.0] * CHANNELS,
        is_residual=True,
        in_channels=48,
        out_channels=48,
        patch_size=4,
        scale_factor_temporal=TEMPORAL,
        scale_factor_spatial=SPATIAL,
    )
    with (
        torch.no_grad()
    ):  # start with little noise: unit noise on the latents would hide the image for a thousand steps
        module.quant_conv.bias[CHANNELS:] = -5.0
    return module


def to_tensor(videos: Tensor) -> Tensor:
    """uint8 (B, T, H, W, 3) -> float (B, 3, T, H, W) in [-1, 1]."""
    return videos.permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1).contiguous()


def to_videos(tensor: Tensor) -> Tensor:
    """float (B, 3, T, H, W) in [-1, 1] -> uint8 (B, T, H, W, 3)."""
    return tensor.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 4, 1)


class AutoencoderPart:
    """Reconstruction of pixels and of edges, weighted towards the shape and its trail.

    Most steps use short windows around the shape, at a sixth of the cost. The others use whole clips: they
    keep colours constant over the clip and train the frame's border.
    """

    name = "autoencoder"

    def __init__(self, module: Autoencoder) -> None:
        self.module: nn.Module = module
        self._vae = module

    def loss(self, rng: random.Random, batch: int) -> tuple[Tensor, Metrics]:
        x, weight = _whole(rng, batch // 8) if rng.random() < WHOLE else _windows(rng, batch)
        device = next(self.module.parameters()).device
        x, weight = x.to(device), weight.to(device)
        posterior = self._vae.encode(x).latent_dist
        y = self._vae.decode(self._disturb(posterior.sample())).sample.float()
        pixels = ((y - x).abs() * weight).mean()
        edges = sum(((y.diff(dim=d) - x.diff(dim=d)).abs()).mean() for d in (3, 4))
        kl = posterior.kl().float().mean() / posterior.mean[0].numel()
        mse = (y.detach() - x).square().mean().item()
        return pixels + 2 * edges + 1e-4 * kl, {"l1": pixels.item(), "kl": kl.item(), "mse": mse}

    def _disturb(self, latents: Tensor) -> Tensor:
        return latents


class DecoderPart(AutoencoderPart):
    """The same with a fixed encoder and noise on the latents, because a denoiser's latents have errors.

    It can also run after the denoiser, because the latents do not change.
    """

    name = "decoder"

    def __init__(self, module: Autoencoder) -> None:
        super().__init__(module)
        module.encoder.requires_grad_(False)
        module.quant_conv.requires_grad_(False)
        self._deviation = torch.tensor(module.config.latents_std).view(1, -1, 1, 1, 1)

    def _disturb(self, latents: Tensor) -> Tensor:
        amount = LATENT_NOISE * torch.rand(len(latents), 1, 1, 1, 1)
        return latents + (amount * self._deviation).to(latents) * torch.randn_like(latents)


def _whole(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Whole clips and the weights of their pixels."""
    x = to_tensor(render([sample_scene(rng, even=True) for _ in range(max(1, count))]))
    return x, _weight(x)


def _windows(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Windows of WINDOW frames and CROP x CROP pixels around the shape, and the weights of their pixels."""
    scenes = [sample_scene(rng, even=True) for _ in range(count)]
    x = to_tensor(render(scenes, WINDOW, rng.randrange(0, FRAMES - WINDOW + 1)))
    weight = _weight(x)
    ink = weight.mean(dim=(1, 2)) - 1  # (B, H, W)
    grid = torch.arange(SIZE, dtype=torch.float32)
    total = ink.sum(dim=(1, 2)) + 1e-6
    tops = (ink.sum(dim=2) @ grid / total - CROP / 2).tolist()
    lefts = (ink.sum(dim=1) @ grid / total - CROP / 2).tolist()
    crops, weights = [], []
    for i in range(count):
        top = min(max(round(tops[i] + rng.uniform(-8, 8)), 0), SIZE - CROP)
        left = min(max(round(lefts[i] + rng.uniform(-8, 8)), 0), SIZE - CROP)
        crops.append(x[i, :, :, top : top + CROP, left : left + CROP])
        weights.append(weight[i, :, :, top : top + CROP, left : left + CROP])
    return torch.stack(crops), torch.stack(weights)


def _weight(x: Tensor) -> Tensor:
    """1 on the background, up to 7 on the shape: (B, 1, T, H, W). The first column is mostly background."""
    contrast = (x - x[..., :1]).abs().amax(dim=1, keepdim=True)
    return 1 + 6 * (2 * contrast).clamp(max=1)


@torch.no_grad()
def encode(module: Autoencoder, videos: Tensor) -> Tensor:
    """uint8 videos -> raw latents (B, CHANNELS, T', H', W')."""
    x = to_tensor(videos.to(module.device))
    latents: Tensor = module.encode(x).latent_dist.mode().float()
    return latents


@torch.no_grad()
def decode(module: Autoencoder, latents: Tensor) -> Tensor:
    """Raw latents -> uint8 videos."""
    return to_videos(module.decode(latents).sample)


def measure_latents(module: Autoencoder, latents: Tensor) -> None:
    """Write each channel's mean and deviation into the config; the pipeline scales latents with them."""
    mean, deviation = latents.mean(dim=(0, 2, 3, 4)), latents.std(dim=(0, 2, 3, 4))
    module.register_to_config(latents_mean=mean.tolist(), latents_std=deviation.tolist())


def normalise(module: Autoencoder, latents: Tensor) -> Tensor:
    """Raw latents -> zero mean and unit deviation in every channel."""
    mean = torch.tensor(module.config.latents_mean, device=latents.device).view(1, -1, 1, 1, 1)
    deviation = torch.tensor(module.config.latents_std, device=latents.device).view(1, -1, 1, 1, 1)
    return (latents - mean) / deviation
