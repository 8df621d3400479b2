"""Checkpoints of the Hub without a network, and cached digests."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.checkpoints import digests, sources
from t2vbatch.models.protocol import Request

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuses(*args: Any, **kwargs: Any) -> None:
        raise OSError

    monkeypatch.setattr("socket.create_connection", refuses)
    for proxy in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "hub"


def test_a_cached_repository_runs_offline(
    checkpoint: Callable[[str], Path], hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, a cached repository is inspected, pinned to its commit, loaded and called."""
    repository = hub_cache / "models--org--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / COMMIT).symlink_to(checkpoint("WanPipeline"))
    spec = Model(path="org/tiny")
    facts = inspect_model("mine", spec)
    assert facts.revision == COMMIT
    assert facts.identity["weights"] == {"hub": "org/tiny", "commit": COMMIT, "subfolder": ""}
    call = {"height": 16, "width": 16, "num_frames": 5, "num_inference_steps": 1}
    model = load_model(spec, facts, "cpu")
    assert model.generate([Request("a ball", None, 0, call=call)])[0].frames.shape == (5, 16, 16, 3)


def test_a_variant_that_no_file_names_needs_no_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights without the variant in a name are refused without importing diffusers, which takes seconds."""

    def imports(name: str) -> None:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(sources, "import_module", imports)
    files = ["unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bf16.safetensors"]
    with pytest.raises(LookupError, match="fp16"):
        sources.loaded_files(files, "fp16")


def test_an_uncached_repository_offline_is_refused(hub_cache: Path) -> None:
    """Offline and without a cached copy, the message has both remedies."""
    with pytest.raises(ModelError, match="the Hub does not answer") as caught:
        inspect_model("mine", Model(path="org/tiny"))
    assert caught.value.where == "models.mine.path"
    assert "download it once" in caught.value.fix


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError, "gated"),
        (RepositoryNotFoundError, "neither a local path nor a public repository"),
        (RevisionNotFoundError, "v9"),
    ],
)
def test_each_refusal_of_the_hub_is_explained(
    error: Any, said: str, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gated repository, a missing one and a missing revision have different messages."""

    def refuses(*args: Any, **kwargs: Any) -> None:
        raise error.__new__(error, "no")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuses)
    with pytest.raises(ModelError, match=said):
        inspect_model("mine", Model(path="org/tiny", revision="v9"))


@pytest.mark.parametrize(
    ("token", "found", "fix"),
    [(None, "no token is set", "set HF_TOKEN"), ("hf_x", "has no access", "the account of that token")],
)
def test_a_gated_repository_says_what_the_token_lacks(
    token: str | None, found: str, fix: str, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message asks for a token, or for access with the token that is set."""

    def refuses(*args: Any, **kwargs: Any) -> None:
        raise GatedRepoError.__new__(GatedRepoError, "no")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuses)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: token)
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", Model(path="org/tiny"))
    assert found in caught.value.found
    assert fix in caught.value.fix
    assert "/org/tiny" in caught.value.fix


def test_the_offline_mode_is_named(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HF_HUB_OFFLINE set, the message names the variable and not the network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set") as caught:
        inspect_model("mine", Model(path="org/tiny"))
    assert "unset HF_HUB_OFFLINE" in caught.value.fix


def test_a_path_that_is_no_hub_id_is_no_question_to_the_hub(hub_cache: Path) -> None:
    """A path of three parts is not looked up as a repository."""
    with pytest.raises(ModelError, match="does not exist"):
        inspect_model("mine", Model(path="weights/of/mine"))


def test_digests_of_large_files_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is read once; a changed file, or one that may still change, is read again."""
    path = tmp_path / "weights.safetensors"
    reads: list[Path] = []
    read = digests._read

    def counted(file: Path) -> str:
        reads.append(file)
        return read(file)

    monkeypatch.setattr(digests, "_read", counted)

    def write(byte: bytes, age_s: float) -> str:
        path.write_bytes(byte * (1 << 21))
        stamp = time.time() - age_s
        os.utime(path, (stamp, stamp))
        return digests.file_digest(path)

    first = write(b"a", age_s=60)
    assert digests.file_digest(path) == first
    assert len(reads) == 1
    second = write(b"b", age_s=30)
    assert second != first
    assert len(reads) == 2
    write(b"c", age_s=0)
    assert digests.file_digest(path) not in (first, second)
    assert len(reads) == 4


def test_weights_that_change_under_the_same_time_get_another_digest(tmp_path: Path) -> None:
    """Other bytes in the same file, of the same size and with the same time, are not taken for the old."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"a" * (1 << 21))
    os.utime(path, (0, 0))
    first, before = digests.file_digest(path), path.stat().st_ctime_ns
    path.write_bytes(b"b" * (1 << 21))
    # The filesystem's clock may have ticks of several milliseconds.
    while path.stat().st_ctime_ns == before:
        os.utime(path, (0, 0))
    os.utime(path, (0, 0))
    assert digests.file_digest(path) != first


def test_a_broken_memory_of_digests_costs_time_only(tmp_path: Path) -> None:
    """A broken cache file is ignored."""
    memory = tmp_path / "cache" / "t2vbatch" / "digests.json"
    memory.parent.mkdir(parents=True)
    memory.write_text("{")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"a" * (1 << 21))
    os.utime(path, (0, 0))
    assert digests.file_digest(path) == digests.file_digest(path)
    assert str(path.resolve()) in json.loads(memory.read_text())
