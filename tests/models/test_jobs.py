"""Every job file of jobs/ runs as it is written, on tiny checkpoints of the pipelines that it names.

The test changes these keys of a job: paths of weights (single files, which test_single_files.py tests, become
folders), size and length of the videos, and the dtype, because CPUs are slow at half precision. Components,
LoRAs and the media of the manifests are replaced by tiny ones. Pipelines, schedulers, variants, memory
settings and manifests stay as the job has them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from shutil import copy
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.exchange import import_manifest
from t2vbatch.job import Job, Model, load_job
from t2vbatch.metrics.vbench import VBENCH_COLUMNS
from t2vbatch.models.facts import memory_settings
from tests.models import tiny
from tests.models.tiny_parts import diffusers

JOBS = Path(__file__).parents[2] / "jobs"
FILES = sorted(
    path.stem
    for path in JOBS.glob("*.yaml")
    if all(":" not in (model.pipeline or ":") for model in load_job(path).models.values())
)
"""Jobs whose models are all classes of diffusers; adapters and the bundled model have tests of their own."""

SIZES = frozenset(
    {
        "height",
        "width",
        "num_frames",
        "video_length",
        "frames",
        "num_inference_steps",
        "max_sequence_length",
        "decode_chunk_size",
        "prompt_template",
        "clean_caption",
        "use_resolution_binning",
        "spatio_temporal_guidance_blocks",
        "t0",
        "t1",
        "controlnet_frame_indices",
        "latent_window_size",
        "ar_step",
        "causal_block_size",
    }
)
"""Arguments that make the call of a tiny pipeline small."""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of the jobs, with tiny media under the same names."""
    source, folder = JOBS.parent / "manifests", tmp_path_factory.mktemp("manifests")
    (folder / "media").mkdir()
    for path in source.glob("*.csv"):
        copy(path, folder)
    for path in source.glob("media/*.png"):
        tiny.write_image(folder / "media" / path.name)
    for path in source.glob("media/*.mp4"):
        tiny.write_video(folder / "media" / path.name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_job_runs_on_tiny_pipelines(name: str, manifests: Path, tmp_path: Path) -> None:
    """Each row of the job's own manifest becomes a video."""
    job = load_job(JOBS / f"{name}.yaml")
    manifest = manifests / Path(job.manifest).name
    variety = ":last" if manifest.stem == "first-last" else ""
    models = {key: _tiny(model, tmp_path / key, variety) for key, model in job.models.items()}
    changes = {"manifest": str(manifest), "output": str(tmp_path / "out"), "models": models}
    changes |= {"metrics": {}, "engine": "inline"}
    tiny_job = Job.model_validate(job.model_dump() | changes)
    result = run_job(prepare(tiny_job), engine_for)
    rows = pq.read_table(Path(result.output) / "results.parquet").to_pylist()
    assert len(rows) == len(models) * len({row["row_id"] for row in rows}) > 0
    assert {row["error"] for row in rows if row["status"] != "ok"} == set()


@pytest.mark.parametrize("path", sorted(JOBS.glob("leaderboards/vbench-*.yaml")), ids=lambda path: path.stem)
def test_an_entry_of_a_leaderboard_is_planned(path: Path, tmp_path: Path) -> None:
    """The entry's call is planned on a tiny checkpoint, with as many samples as VBench expects."""
    job = load_job(path)
    entries = [{"prompt_en": name, "dimension": [name]} for name in ("temporal_flickering", "color")]
    (tmp_path / "full_info.json").write_text(json.dumps(entries))
    (tmp_path / "longer.txt").write_text("one\ntwo\n")
    texts = tmp_path / "longer.txt" if "rewritten" in job.manifest else None
    import_manifest(tmp_path / "full_info.json", "vbench", tmp_path / "rows.jsonl", rewritten=texts)
    models = {key: _tiny(model, tmp_path / key, "") for key, model in job.models.items()}
    changes = {"manifest": str(tmp_path / "rows.jsonl"), "output": str(tmp_path / "out"), "models": models}
    plan = prepare(Job.model_validate(job.model_dump() | changes)).plan
    assert len(plan) == 30
    assert all(value.score in VBENCH_COLUMNS for value in job.expected.values())


def _tiny(model: Model, folder: Path, variety: str) -> dict[str, Any]:
    """The same section, for a tiny checkpoint in ``folder``."""
    name = str(model.pipeline)
    name = name + variety if name + variety in tiny.TINY_PIPELINES else name
    tiny.save(name, folder, variant=model.variant)
    small = {key: value for key, value in tiny.TINY_PIPELINES[name].call.items() if key in SIZES}
    own = tiny.model(name, folder).components
    return model.model_dump() | {
        "path": str(folder),
        "config": None,
        "dtype": "float32",
        "call": {**model.call, **small},
        "components": {key: _component(value, key, model, folder) for key, value in model.components.items()}
        | own,
        "loras": [_lora(model, lora, folder / f"lora{index}") for index, lora in enumerate(model.loras)],
    }


def _component(
    component: dict[str, Any] | None, name: str, model: Model, folder: Path
) -> dict[str, Any] | None:
    """The part of that name in the tiny checkpoint, loaded separately, as in the job."""
    if component is None:
        return None
    variant = {"variant": model.variant} if model.variant else {}
    return component | {"path": str(folder), "subfolder": name, "dtype": "float32"} | variant


def _lora(model: Model, lora: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A LoRA of rank 1 for one attention layer of the tiny denoiser."""
    pipeline = getattr(diffusers, str(model.pipeline)).from_pretrained(folder.parent, variant=model.variant)
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    denoiser = getattr(pipeline, part)
    layer, module = next(
        (layer, module)
        for layer, module in denoiser.named_modules()
        if layer.endswith("to_q") and isinstance(module, torch.nn.Linear)
    )
    folder.mkdir()
    weights = {
        f"{part}.{layer}.lora_A.weight": torch.ones(1, module.in_features),
        f"{part}.{layer}.lora_B.weight": torch.ones(module.out_features, 1),
    }
    save_file(weights, folder / lora["file"])
    return {**lora, "path": str(folder)}


def test_every_setting_of_the_jobs_is_known() -> None:
    """The example jobs use each offload and tiling."""
    shown = {
        setting
        for path in JOBS.glob("*.yaml")
        for model in load_job(path).models.values()
        for setting in memory_settings(model)
    }
    assert {"model_cpu_offload", "sequential_cpu_offload", "group_offload", "vae_tiling"} <= shown
