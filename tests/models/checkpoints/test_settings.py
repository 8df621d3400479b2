"""The keys memory: and speed: on real classes: each setting has an effect or is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.protocol import Request
from tests.models import tiny

Checkpoint = Callable[[str], Path]


def _video(path: Path, name: str, steps: int = 2, **changes: Any) -> Video:
    spec = Model.model_validate({"path": str(path), **changes})
    model = load_model(spec, inspect_model("mine", spec), "cpu")
    call = {**tiny.TINY_PIPELINES[name].call, "num_inference_steps": steps}
    return model.generate([Request("a red ball", None, 7, call=call)])[0]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("TextToVideoSDPipeline", {"memory": ["vae_slicing"]}),
        ("TextToVideoSDPipeline", {"memory": [{"forward_chunking": {"chunk_size": 2}}]}),
        ("WanPipeline", {"memory": ["vae_tiling", "vae_slicing"]}),
        ("WanPipeline", {"memory": ["layerwise_casting"]}),
        ("WanPipeline", {"memory": ["model_cpu_offload"]}),
        ("WanPipeline", {"speed": {"attention_backend": "native"}}),
        ("WanPipeline", {"speed": {"cache": {"class": "FirstBlockCacheConfig", "threshold": 0.5}}}),
        (
            "WanPipeline",
            {
                "speed": {
                    "cache": {
                        "class": "PyramidAttentionBroadcastConfig",
                        "spatial_attention_block_skip_range": 2,
                    }
                }
            },
        ),
    ],
)
def test_a_setting_leaves_a_model_that_generates(
    name: str, changes: dict[str, Any], checkpoint: Checkpoint
) -> None:
    """A setting with an effect is accepted, and the model makes its video."""
    assert _video(checkpoint(name), name, **changes).frames.std() > 1


@pytest.mark.parametrize(
    ("name", "changes", "where"),
    [
        ("WanPipeline", {"memory": ["forward_chunking"]}, "memory: forward_chunking"),
        ("TextToVideoSDPipeline", {"speed": {"cache": "FirstBlockCacheConfig"}}, "speed: cache"),
        ("WanPipeline", {"speed": {"cache": "TaylorSeerCacheConfig"}}, "speed: cache"),
    ],
)
def test_a_setting_without_effect_is_refused(
    name: str, changes: dict[str, Any], where: str, checkpoint: Checkpoint
) -> None:
    """A setting that this pipeline would silently ignore is an error."""
    with pytest.raises(ModelError, match="without effect") as caught:
        _video(checkpoint(name), name, **changes)
    assert caught.value.where == where


def test_an_unknown_cache_and_backend_are_refused(checkpoint: Checkpoint) -> None:
    """An unknown cache or attention kernel is refused with the library's reason."""
    for speed in ({"cache": "NoCacheConfig"}, {"attention_backend": "magic"}):
        with pytest.raises(ModelError):
            _video(checkpoint("WanPipeline"), "WanPipeline", speed=speed)


def test_an_offload_on_a_cpu_changes_nothing(checkpoint: Checkpoint) -> None:
    """Without an accelerator, a job with an offload runs and makes the same bytes."""
    path = checkpoint("WanPipeline")
    plain = _video(path, "WanPipeline")
    for offload in ("model_cpu_offload", "sequential_cpu_offload", "group_offload"):
        assert _video(path, "WanPipeline", memory=[offload]).sha256() == plain.sha256()


def test_a_cache_changes_pixels(checkpoint: Checkpoint) -> None:
    """A step cache changes the pixels, so that all of speed is part of the identity."""
    path = checkpoint("WanPipeline")
    cached = {"cache": {"class": "FirstBlockCacheConfig", "threshold": 10.0}}
    assert (
        _video(path, "WanPipeline", steps=4, speed=cached).sha256()
        != _video(path, "WanPipeline", steps=4).sha256()
    )
