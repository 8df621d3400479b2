"""The output folder of the browser tests."""

from pathlib import Path

import pytest

from tests.report.outputs import HOSTILE, SCORES, add_videos, results, write_output


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two models and four prompts, with a hostile prompt, a failure and a pending video."""
    folder = tmp_path_factory.mktemp("output")
    prompts = ["a red square rolls", "a green square slides", "a blue square rolls over the grass", HOSTILE]
    rows = results(["small", "large"], prompts, 2)
    add_videos(folder, rows)
    for name in ("video", "frames_sha256", *SCORES):
        rows[3][name] = None
    rows[3] |= {
        "status": "failed",
        "error_type": "RowError",
        "error": "the call raised <i>ValueError</i>",
        "traceback": "Traceback (most recent call last):\n  ValueError: <i>",
        "attempts": 3,
    }
    return write_output(folder, rows, pending=1)
