"""Tiny checkpoints, each written once for each test session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from t2vbatch.models.determinism import set_up_torch
from tests.models import tiny


@pytest.fixture(scope="session", autouse=True)
def _torch() -> None:
    set_up_torch(threads=1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of a pipeline class's tiny checkpoint; tests must not change it."""
    base = tmp_path_factory.mktemp("checkpoints")

    def saved(name: str) -> Path:
        folder = base / name
        return folder if folder.exists() else tiny.save(name, folder)

    return saved


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small PNG."""
    return tiny.write_image(tmp_path_factory.mktemp("pictures") / "gradient.png")
