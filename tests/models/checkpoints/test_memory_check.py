"""Disk, machine memory and device memory are checked before a model is loaded."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from t2vbatch.commands.prepare import prepare
from t2vbatch.errors import MemoryExceededError, ModelError, NodeError
from t2vbatch.job import Model, load_job
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.checkpoints import hub, sizes
from t2vbatch.models.checkpoints.ip_adapters import Adapter
from t2vbatch.models.checkpoints.memory_check import MemoryProblem, check_room, memory_problems
from t2vbatch.models.checkpoints.single_file import SingleFile
from t2vbatch.models.checkpoints.sources import CheckpointFiles
from tests.models import original, tiny
from tests.models.tiny_parts import diffusers

Checkpoint = Callable[[str], Path]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIB = 1 << 30


def _spec(path: object, **section: Any) -> Model:
    return Model.model_validate({"path": str(path), **section})


def _parts(spec: Model) -> dict[str, int]:
    found = sizes.part_sizes(spec, inspect_model("mine", spec))
    return {size.part: size.loaded_bytes for size in found}


def _numbers(network: Any) -> int:
    return sum(weight.numel() for weight in network.state_dict().values())


def test_weights_are_counted_from_headers(checkpoint: Checkpoint) -> None:
    """The bytes of each network are counted in the job's dtype, not in the file's."""
    folder = checkpoint("WanPipeline")
    pipeline = diffusers.WanPipeline.from_pretrained(folder)
    numbers = {name: _numbers(getattr(pipeline, name)) for name in ("transformer", "vae")}
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        found = _parts(_spec(folder, dtype=dtype))
        assert {name: found[name] for name in numbers} == {name: n * size for name, n in numbers.items()}
        assert found.keys() == {"transformer", "transformer_2", "vae", "text_encoder"}


def test_a_component_counts_in_the_place_of_the_part(checkpoint: Checkpoint) -> None:
    """A component is counted in its own dtype; a part that the job leaves out is not counted."""
    folder = checkpoint("WanPipeline")
    vae = {"class": "AutoencoderKLWan", "path": str(folder), "subfolder": "vae", "dtype": "float32"}
    whole, half = _parts(_spec(folder)), _parts(_spec(folder, dtype="bfloat16", components={"vae": vae}))
    assert half["vae"] == whole["vae"]
    assert half["transformer"] == whole["transformer"] // 2


def test_a_single_file_counts_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Other files in the folder are not counted."""
    transformer = diffusers.WanTransformer3DModel.from_pretrained(
        checkpoint("WanPipeline"), subfolder="transformer"
    )
    transformer.save_pretrained(tmp_path / "apart")
    save_file(original.wan(transformer), tmp_path / "apart" / "wan.safetensors")
    save_file(original.wan(transformer), tmp_path / "apart" / "other.safetensors")
    for path in (tmp_path / "apart" / "wan.safetensors", tmp_path / "apart"):
        component = {"class": "WanTransformer3DModel", "path": str(path)}
        found = _parts(_spec(checkpoint("WanPipeline"), components={"transformer": component}))
        assert found["transformer"] == _numbers(transformer) * 4


def test_added_weights_count(checkpoint: Checkpoint, lora: Path) -> None:
    """A LoRA counts in the smaller of its own dtype and the job's."""
    given = [{"path": str(lora)}]
    numbers = sum(weight.numel() for weight in load_file(lora).values())
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        found = _parts(_spec(checkpoint("WanPipeline"), dtype=dtype, loras=given))
        assert found["loras[0]"] == numbers * size
    save_file({"half": torch.zeros(10_000, dtype=torch.float16)}, lora)
    assert 20_000 <= _parts(_spec(checkpoint("WanPipeline"), loras=given))["loras[0]"] < 21_000


def test_an_ip_adapter_counts_with_its_encoder(checkpoint: Checkpoint, adapter: Path) -> None:
    """The image encoder counts only where the model has none of its own."""
    folder, weights = checkpoint("AnimateDiffPipeline"), "ip-adapter.safetensors"
    given = {"path": str(adapter), "subfolder": "models", "weight_name": weights}
    plain = _parts(tiny.model("AnimateDiffPipeline", folder))
    more = _parts(tiny.model("AnimateDiffPipeline", folder, ip_adapter=given))
    numbers = {
        "ip_adapter": load_file(adapter / "models" / weights),
        "image_encoder": load_file(adapter / "models" / "image_encoder" / "model.safetensors"),
    }
    sizes_of = {name: 4 * sum(one.numel() for one in of.values()) for name, of in numbers.items()}
    assert more == plain | sizes_of


def test_added_weights_are_counted_before_they_are_downloaded(
    checkpoint: Checkpoint, lora: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is too small for a LoRA and an adapter of the Hub is named with their repositories."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=29 * GIB))
    _memory(monkeypatch, total=1000 * GIB, available=1000 * GIB)
    spec = tiny.model(
        "AnimateDiffPipeline",
        checkpoint("AnimateDiffPipeline"),
        loras=[{"path": str(lora)}],
        ip_adapter={"path": str(adapter), "subfolder": "models", "weight_name": "ip-adapter.safetensors"},
    )
    facts = inspect_model("mine", spec)
    files = ("a.safetensors", "image_encoder/model.safetensors")
    monkeypatch.setattr(sizes, "hub_sizes", lambda repo, commit: dict.fromkeys(files, 10 * GIB))
    on_hub = SingleFile(CheckpointFiles("org/added", COMMIT), "a.safetensors")
    monkeypatch.setattr(sizes, "find_lora", lambda *_: on_hub)
    monkeypatch.setattr(sizes, "find_adapter", lambda *_: Adapter(on_hub, "image_encoder", 1.0))
    (problem,) = memory_problems(spec, facts, "cpu")
    assert "30.0 GiB to download of org/added, and 29.0 GiB free" in problem.found


def _memory(monkeypatch: pytest.MonkeyPatch, total: int, available: int) -> None:
    there = SimpleNamespace(total=total, available=available)
    monkeypatch.setattr("psutil.virtual_memory", lambda: there)


def _gpu(monkeypatch: pytest.MonkeyPatch, total: int, free: int, cached: int = 0) -> None:
    """A device, of whose used memory this process keeps ``cached`` bytes for its next tensors."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, total))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1000 + cached)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1000)


def _found(spec: Model, device: str) -> list[MemoryProblem]:
    return memory_problems(spec, inspect_model("mine", spec), device)


def test_a_machine_that_is_too_small_is_refused(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights larger than the machine's memory are refused before loading, with the figures."""
    _memory(monkeypatch, total=2000, available=1000)
    spec = _spec(checkpoint("WanPipeline"))
    with pytest.raises(NodeError, match="GiB of memory for weights") as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert "quantization" in str(caught.value)


def test_memory_that_others_hold_is_a_warning(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If other processes use the memory, the model is loaded with a warning."""
    _memory(monkeypatch, total=100 * GIB, available=1000)
    spec = _spec(checkpoint("WanPipeline"))
    with caplog.at_level(logging.WARNING, "t2vbatch"):
        check_room(spec, inspect_model("mine", spec), "cpu")
    assert "free of 100.0 GiB" in caplog.text


def test_a_device_that_is_too_small_asks_for_an_offload(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the largest part fits the device, the message suggests the offload that the scheduler then tries."""
    folder = checkpoint("WanPipeline")
    held = _parts(_spec(folder))
    largest = max(held, key=lambda part: held[part])
    _gpu(monkeypatch, total=held[largest], free=held[largest])
    spec = _spec(folder)
    with pytest.raises(
        MemoryExceededError, match=rf"set memory: \[model_cpu_offload\](.*){largest} being the largest"
    ):
        check_room(spec, inspect_model("mine", spec), "cuda")
    assert _found(_spec(folder, memory=["model_cpu_offload"]), "cuda") == []
    _gpu(monkeypatch, total=held[largest] - 1, free=held[largest] - 1)
    (alone,) = _found(_spec(folder, memory=["model_cpu_offload"]), "cuda")
    assert f"for the weights of {largest} alone" in alone.found
    assert alone.sure
    assert _found(_spec(folder, memory=["sequential_cpu_offload"]), "cuda") == []


def test_memory_that_torch_uses_again_counts_as_free(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of a model that this process has dropped is room for the next one."""
    spec = _spec(checkpoint("WanPipeline"))
    needed = sum(_parts(spec).values())
    _gpu(monkeypatch, total=100 * GIB, free=needed - 10, cached=10)
    assert _found(spec, "cuda") == []
    _gpu(monkeypatch, total=100 * GIB, free=needed - 10, cached=9)
    assert [(problem.of, problem.sure) for problem in _found(spec, "cuda")] == [("device", False)]


def test_what_makes_weights_smaller_counts(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Casting to 8 bits, quantization and a 16-bit dtype reduce the need."""
    folder = checkpoint("WanPipeline")
    held = _parts(_spec(folder))
    least = sum(held.values()) - held["transformer"] * 3 // 4
    _gpu(monkeypatch, total=least, free=least)
    assert [shortage.of for shortage in _found(_spec(folder), "cuda")] == ["device"]
    assert _found(_spec(folder, memory=["layerwise_casting"]), "cuda") == []
    asked = {"transformer": {"class": "QuantoConfig"}}
    assert _found(_spec(folder, speed={"quantization": asked}), "cuda") == []
    assert _found(_spec(folder, dtype="float16"), "cuda") == []


def test_offloaded_weights_want_the_machines_memory(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offload needs the machine's memory instead of the device's."""
    _gpu(monkeypatch, total=100 * GIB, free=100 * GIB)
    _memory(monkeypatch, total=2000, available=1000)
    folder = checkpoint("WanPipeline")
    assert _found(_spec(folder), "cuda") == []
    (short,) = _found(_spec(folder, memory=["group_offload"]), "cuda")
    assert (short.of, short.sure) == ("memory", True)
    assert "offloaded weights" in short.found


@pytest.fixture
def repository(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of the Hub; the cache has all its files except the weights."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    base = tmp_path / "hub" / "models--org--tiny"
    snapshot, source = base / "snapshots" / COMMIT, checkpoint("WanPipeline")
    for file in source.rglob("*"):
        if file.is_file() and file.suffix != ".safetensors":
            target = snapshot / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)
    return source


def _answers(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """The repository's files as the Hub lists them."""
    listed = {
        file.relative_to(source).as_posix(): 30 * GIB
        if file.suffix == ".safetensors"
        else file.stat().st_size
        for file in source.rglob("*")
        if file.is_file()
    }
    monkeypatch.setattr(sizes, "hub_sizes", lambda repo, commit: listed)


def test_a_full_disk_is_found_before_the_download(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk too small for the files to download is refused, with both figures."""
    _answers(monkeypatch, repository)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=119 * GIB))
    spec = _spec("org/tiny")
    facts = inspect_model("mine", spec)
    with pytest.raises(NodeError) as caught:
        load_model(spec, facts, "cpu")
    assert "120.0 GiB to download of org/tiny, and 119.0 GiB free in" in str(caught.value)
    assert "HF_HOME" in str(caught.value)


def test_what_is_fetched_in_part_counts(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that another worker is downloading count as downloaded."""
    _answers(monkeypatch, repository)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=120 * GIB - 100))
    _memory(monkeypatch, total=1000 * GIB, available=1000 * GIB)
    spec = _spec("org/tiny")
    assert [shortage.of for shortage in _found(spec, "cpu")] == ["disk"]
    blobs = tmp_path / "hub" / "models--org--tiny" / "blobs"
    blobs.mkdir()
    (blobs / "c0ffee.incomplete").write_bytes(bytes(100))
    assert _found(spec, "cpu") == []


def test_a_cache_without_the_weights_is_no_copy(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, a repository whose weights are not cached is refused, with the missing part."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    spec = _spec("org/tiny")
    with pytest.raises(ModelError, match="does not have the weights of its text_encoder") as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert "HF_HUB_OFFLINE is set" in caught.value.found
    assert "hf download org/tiny" in caught.value.fix


def test_a_folder_without_weights_is_no_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A local network without weights is refused by name."""
    folder = tiny.save("WanPipeline", tmp_path / "wan")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    spec = _spec(folder)
    with pytest.raises(ModelError, match="no weights of this variant for its vae"):
        load_model(spec, inspect_model("mine", spec), "cpu")


def test_a_variant_that_was_not_named_is_found(tmp_path: Path) -> None:
    """A folder with only one variant is refused, with that variant, if the job does not name it."""
    folder = tiny.save("TextToVideoSDPipeline", tmp_path / "half", variant="fp16")
    spec = _spec(folder)
    with pytest.raises(ModelError) as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert "model.fp16.safetensors" in caught.value.fix
    assert _parts(_spec(folder, variant="fp16")).keys() == {"text_encoder", "unet", "vae"}


def test_a_part_without_the_variant_counts_as_diffusers_loads_it(tmp_path: Path) -> None:
    """If only some parts have the variant, the others are read without it."""
    folder = tiny.save("TextToVideoSDPipeline", tmp_path / "mixed", variant="fp16")
    weights = folder / "vae" / "diffusion_pytorch_model.fp16.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.safetensors"))
    assert _parts(_spec(folder, variant="fp16")).keys() == {"text_encoder", "unet", "vae"}


def test_a_part_of_pickles_is_refused(tmp_path: Path) -> None:
    """A part that is a pickle is refused, unless the job allows pickles."""
    folder = tiny.save("TextToVideoSDPipeline", tmp_path / "pickled")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    spec = _spec(folder)
    with pytest.raises(ModelError, match="whose unet is a pickle") as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert "allow_pickle: true" in caught.value.fix
    allowed = _spec(folder, allow_pickle=True)
    load_model(allowed, inspect_model("mine", allowed), "cpu")


def test_a_model_that_does_not_fit_the_device_is_out_of_memory(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the device runs out of memory during loading, the scheduler retries with an offload."""

    def full(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(diffusers.WanPipeline, "to", full)
    spec = _spec(checkpoint("WanPipeline"))
    with pytest.raises(MemoryExceededError, match="CUDA out of memory"):
        load_model(spec, inspect_model("mine", spec), "cpu")


def test_a_plan_tells_what_this_machine_lacks(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning has a note about memory if the workers run on this machine, not if they run on a cluster."""
    _memory(monkeypatch, total=2000, available=1000)
    (tmp_path / "rows.txt").write_text("a red ball\n")
    section = {"path": str(checkpoint("WanPipeline"))}
    job = {"manifest": "rows.txt", "output": "out", "models": {"wan": section}, "metrics": []}

    def notes(**ray: str) -> tuple[str, ...]:
        (tmp_path / "job.yaml").write_text(yaml.safe_dump({**job, "ray": ray}))
        return prepare(load_job(tmp_path / "job.yaml")).plan.notes

    (note,) = notes()
    assert note.startswith("models.wan.memory: ")
    assert "of memory for weights" in note
    assert notes(address="head:6379") == ()
