"""The same bytes from the inline engine, one Ray worker and three Ray workers, in any order of rows."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job

_PROMPTS = [
    "a red circle moves left",
    "a blue square bounces up and down",
    "a green star falls",
    "a yellow triangle stays still on a light background",
]
_COLUMNS = ("video_sha256", "frames_sha256", "bytes", "status", "prompt_tokens")


def _made(folder: Path, name: str, prompts: list[str], **changes: Any) -> dict[str, dict[str, Any]]:
    """Run the bundled model on these prompts; the parts of the results that must not vary, by sample."""
    rows = "".join(
        json.dumps({"id": prompt.replace(" ", "-"), "prompt": prompt}) + "\n" for prompt in prompts
    )
    (folder / f"{name}.jsonl").write_text(rows)
    job = {
        "manifest": f"{name}.jsonl",
        "output": name,
        "samples": 2,
        "models": {"shapes": {"path": "bundled:shapes", "call": {"num_inference_steps": 3}}},
        **changes,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(job))
    result = run_job(prepare(load_job(folder / f"{name}.yaml")), engine_for)
    assert result.summary.counts.ok == 2 * len(prompts)
    table = pq.read_table(folder / name / "results.parquet")
    # score_s is how long the scoring took, and no score.
    scores = [column for column in table.column_names if column.startswith("clip_")]
    assert len(scores) >= 2
    compared = (*_COLUMNS, *scores)
    return {row["sample_id"]: {name: row[name] for name in compared} for row in table.to_pylist()}


@pytest.mark.timeout(600)
def test_videos_and_scores_do_not_depend_on_who_made_them(tmp_path: Path) -> None:
    """Files, decoded frames and scores are equal to the bit; so are they for rows in another order."""
    inline = _made(tmp_path, "inline", _PROMPTS, engine="inline")
    one = _made(tmp_path, "one", _PROMPTS, workers={"count": 1})
    three = _made(tmp_path, "three", _PROMPTS[::-1], workers={"count": 3, "cpus": 1})
    assert inline == one
    assert inline == three
    assert len({row["video_sha256"] for row in inline.values()}) == len(inline)


def test_prompts_that_are_encoded_first_change_no_byte(tmp_path: Path) -> None:
    """With speed: {text_encoder: precompute}, files and scores are equal to the bit."""
    call = {"num_inference_steps": 3}
    ahead = {"path": "bundled:shapes", "call": call, "speed": {"text_encoder": "precompute"}}
    plain = _made(tmp_path, "plain", _PROMPTS[:2], engine="inline")
    assert plain == _made(tmp_path, "ahead", _PROMPTS[:2], engine="inline", models={"shapes": ahead})
