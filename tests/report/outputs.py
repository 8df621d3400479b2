"""Build output folders with real videos for browser tests."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from t2vbatch.analysis.summary import summarize
from t2vbatch.job import VideoFile
from t2vbatch.media.video import Video, encode
from t2vbatch.output.records import results_schema
from t2vbatch.report import write_report
from t2vbatch.report.inputs import Inputs
from t2vbatch.storage.files import open_folder

HOSTILE = (
    "<script>document.title = 'taken'</script>"
    "<img src=x onerror=\"document.title = 'taken'\"> 'quoted' \"too\""
)
COLOURS = {"red": (214, 62, 52), "green": (62, 158, 88), "blue": (58, 104, 206)}
FIRST_SEED = 2**62 + 1
"""A seed beyond the integers that JavaScript represents exactly."""

SCORES = ("clip_score", "clip_temporal")
EXTRA = pa.schema([("category", pa.string())])


def rolling(colour: tuple[int, int, int], side: int = 64, frames: int = 16) -> Video:
    """A square of one colour that moves across a light background."""
    made = np.full((frames, side, side, 3), 236, np.uint8)
    for index, frame in enumerate(made):
        left = index * (side - side // 3) // frames
        frame[side // 3 : 2 * side // 3, left : left + side // 3] = colour
    return Video(made, fps=8)


def results(models: Sequence[str], prompts: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    """The rows of a results table: each prompt with each model; scores differ by model and prompt."""
    random = np.random.default_rng(0)
    rows = []
    for row, prompt in enumerate(prompts):
        for offset, model in enumerate(models):
            for index in range(seeds):
                rows.append(
                    {
                        "sample_id": f"{model}-{row}-{index}",
                        "row_id": f"row{row:05d}",
                        "model": model,
                        "sample_index": index,
                        "seed": FIRST_SEED + 10 * row + index,
                        "status": "ok",
                        "attempts": 1,
                        "prompt": prompt,
                        "call": '{"num_frames": 16}',
                        "num_frames": 16,
                        "width": 64,
                        "height": 64,
                        "fps": 8.0,
                        "generate_s": 2.5,
                        "clip_score": 25 + offset + random.normal(),
                        "clip_temporal": 0.95 + 0.01 * random.normal(),
                        "category": "rolling" if row % 2 else "sliding",
                    }
                )
    return rows


def write_output(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    pending: int = 0,
    extra: pa.Schema = EXTRA,
    settings: dict[str, dict[str, Any]] | None = None,
    max_videos: int = 5000,
    inputs: Inputs | None = None,
    scores: Sequence[str] = SCORES,
) -> Path:
    """Write the report on these results into a folder and return its page."""
    schema = results_schema(scores, extra)
    table = pa.Table.from_pylist(list(rows), schema)
    planned = Counter(row["model"] for row in rows)
    planned[rows[0]["model"]] += pending
    summary = summarize(table, planned)
    name = write_report(
        open_folder(folder), table, summary, "colours <b>&", settings, max_videos, inputs=inputs
    )
    return folder / name


def add_videos(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Encode a video for each row, in the colour that its prompt names, and set it in the row."""
    for row in rows:
        colour = next((rgb for name, rgb in COLOURS.items() if name in row["prompt"]), (120, 120, 120))
        video = rolling(colour)
        row["video"] = f"videos/{row['model']}/{row['row_id']}-{row['sample_index']}.mp4"
        row["frames_sha256"] = video.sha256()
        path = folder / row["video"]
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(video, path, VideoFile())
