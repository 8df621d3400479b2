"""One training loop for every part: warm-up, constant rate, linear decay; an average of the weights;
checkpoints, resume and a log.

The seed of each step's batch and noise is made of the part's name and the step's number. So a run that was
stopped and resumed gives the same weights as an uninterrupted one.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from t2vbatch.models.shapes.muon import Muon

Metrics = dict[str, float]

_OUTER = ("embed", "conv_in", "conv_out", "proj_out", "table", "gamma")  # first and last layers: AdamW's


@dataclass(frozen=True)
class Recipe:
    """How long and how fast one part is trained."""

    steps: int
    batch: int
    rate: float  # AdamW's peak learning rate
    warmup: int = 50  # steps
    decay: float = 0.25  # share of the steps, at the end, in which the rate falls to zero
    muon: float = 0.0  # Muon's peak learning rate for the weight matrices; 0: AdamW trains them too
    average: float = 0.0  # decay per step of the moving average of the weights; 0: no average


class Part(Protocol):
    """What the loop trains: a module, and a loss of one step from that step's own random numbers."""

    name: str
    module: nn.Module

    def loss(self, rng: random.Random, batch: int) -> tuple[Tensor, Metrics]:
        """The loss of one step on ``batch`` examples, as a scalar to differentiate, and numbers to report."""


def fit(
    part: Part,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int = 0,
    save_every_s: float = 120.0,
    until_step: int | None = None,
    report: Callable[[Metrics], None] = lambda line: print(line, flush=True),
) -> None:
    """Train `part.module` in place, from the folder's checkpoint if there is one.

    `until_step` stops and saves at that step; without it the module has the averaged weights at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{part.name}.pt"
    parameters = [p for p in part.module.parameters() if p.requires_grad]
    optimizers = _optimizers(part.module, recipe)
    average = [p.detach().clone() for p in parameters]
    first, trained_s = _restore(checkpoint, part.module, optimizers, average)
    device = parameters[0].device
    started = saved = time.monotonic()
    recent: list[Metrics] = []
    for step in range(first, min(recipe.steps, until_step or recipe.steps)):
        torch.manual_seed(hash_seed(seed, part.name, step))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _schedule(step, recipe)
        with _precision(device):
            loss, metrics = part.loss(random.Random(hash_seed(seed, part.name, step)), recipe.batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if recipe.average:
            weight = min(recipe.average, (step + 1) / (step + 10))
            torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - weight)
        recent.append(metrics)
        now = time.monotonic()
        last = step + 1 == min(recipe.steps, until_step or recipe.steps)
        if len(recent) == 100 or last:
            line = {"step": step + 1, "seconds": round(trained_s + now - started, 1)}
            line |= {key: round(sum(m[key] for m in recent) / len(recent), 5) for key in metrics}
            with (folder / f"{part.name}.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            report({**line, "of": recipe.steps})
            recent = []
        if now - saved > save_every_s or last:
            seconds = trained_s + now - started
            _save(checkpoint, part.module, optimizers, average, step + 1, seconds)
            saved = now
    if recipe.average:
        with torch.no_grad():
            for parameter, mean in zip(parameters, average, strict=True):
                parameter.copy_(mean)


def hash_seed(*parts: object) -> int:
    """A seed in [0, 2**62) from anything with a stable text form."""
    return random.Random(" ".join(map(str, parts))).getrandbits(62)


def _schedule(step: int, recipe: Recipe) -> float:
    rise = (step + 1) / recipe.warmup if recipe.warmup else 1.0
    fall = (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps)
    return min(1.0, rise, fall)


def _optimizers(module: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the hidden layers' matrices if the recipe has a rate for it, AdamW for the rest."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        hidden = parameter.ndim >= 2 and parameter[0].numel() > 32 and not any(k in name for k in _OUTER)
        (matrices if recipe.muon and hidden else others).append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(Muon(matrices, lr=recipe.muon))
    optimizers.append(torch.optim.AdamW(others, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.0))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


@contextmanager
def _precision(device: torch.device) -> Iterator[None]:
    """bfloat16 if its products are faster (GPUs and some CPUs), and plain attention on CPUs.

    On CPUs, the backward pass of fused attention takes longer than the rest of a small network.
    """
    with ExitStack() as stack:
        capabilities: dict[str, Any] = dict(torch.cpu.get_capabilities())
        if device.type != "cpu" or capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            stack.enter_context(torch.autocast(device.type, torch.bfloat16))
        if device.type == "cpu":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def _save(
    path: Path,
    module: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    average: list[Tensor],
    step: int,
    seconds: float,
) -> None:
    state = {
        "step": step,
        "seconds": seconds,
        "module": module.state_dict(),
        "average": average,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _restore(
    path: Path, module: nn.Module, optimizers: list[torch.optim.Optimizer], average: list[Tensor]
) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    for tensor, saved in zip(average, state["average"], strict=True):
        tensor.copy_(saved)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        peaks = [group["peak"] for group in optimizer.param_groups]
        optimizer.load_state_dict(saved)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["peak"] = peak  # the rate of the recipe, which may have changed since the checkpoint
    return int(state["step"]), float(state["seconds"])
