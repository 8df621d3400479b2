"""Weights & Biases. Account, server and mode come from its own variables, such as ``WANDB_API_KEY``.

Its local files are in ``wandb/`` beside the output, unless ``WANDB_DIR`` names another folder.
"""

import os
from itertools import groupby
from typing import Any

from t2vbatch.errors import RunError
from t2vbatch.exchange.trackers.entry import Entry


def send(entry: Entry) -> str:
    """Write the entry as a run; returns its address, or its folder with ``WANDB_MODE=offline``."""
    import wandb

    _logged_in(wandb)
    # A separate run, because a notebook may have another open. Code and console output of this process do not
    # describe the videos, so they are not uploaded.
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)
    with wandb.init(
        project=entry.project,
        id=entry.id,
        name=entry.name,
        dir=None if "WANDB_DIR" in os.environ else str(entry.home),
        resume="allow",
        reinit="create_new",
        settings=quiet,
    ) as run:
        run.config.update(entry.settings, allow_val_change=True)
        run.log({"samples": _table(wandb, entry)} | _media(wandb, entry))
        run.summary.update(entry.numbers)
        run.log_artifact(_files(wandb, entry))
    return str(run.url or run.settings.sync_dir)


def _logged_in(wandb: Any) -> None:
    """Fail instead of asking for a key, because a run may end unattended."""
    if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False):
        raise RunError(
            "wandb is not logged in: run `wandb login`, set WANDB_API_KEY, or set WANDB_MODE=offline"
        )


def _table(wandb: Any, entry: Entry) -> Any:
    rows = [list(row.values()) for row in entry.samples.to_pylist()]
    return wandb.Table(columns=entry.samples.column_names, data=rows, allow_mixed_types=True)


def _media(wandb: Any, entry: Entry) -> dict[str, list[Any]]:
    """One panel of videos per model."""
    return {
        f"videos/{model}": [wandb.Video(str(video.path), caption=video.caption) for video in videos]
        for model, videos in groupby(entry.videos, key=lambda video: video.model)
    }


def _files(wandb: Any, entry: Entry) -> Any:
    artifact = wandb.Artifact(f"results-{entry.id}", type="results")
    for path in entry.folder.iterdir():
        if path.is_file():
            artifact.add_file(str(path))
    return artifact
