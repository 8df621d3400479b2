"""t2vbatch distance, and FVD in the list of metrics."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from t2vbatch.cli import app
from t2vbatch.errors import MetricError, UsageError
from t2vbatch.metrics.registry import metric_class
from tests.analysis.distance.conftest import FRAMES


def typed(*arguments: str) -> Result:
    """The result of a command line; errors are raised."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_the_command_measures_and_saves(
    output: Path, reference: Path, backbones: Path, tmp_path: Path
) -> None:
    """The options define a distance, and its saved statistics give the same number in the next command."""
    saved = str(tmp_path / "reference.npz")
    options = ["--backbone", str(backbones / "i3d.pt"), "--allow-pickle", "--frames", str(FRAMES)]
    done = typed("distance", str(output), "--reference", str(reference), *options, "--save-statistics", saved)
    assert done.exit_code == 0
    assert "lower is closer" in done.output
    named = typed("distance", str(output), "--reference", saved, *options, "--name", "again", "--json")
    of_a = json.loads(named.stdout)["distances"]["a"]
    assert of_a["again"]["value"] == of_a["fvd"]["value"]
    assert f"{of_a['fvd']['value']:.4g}" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "somewhere"], "--backbone\n.*no value"),
        (["--backbone", "something"], "--reference\n.*no value"),
        (["--save-statistics", "x.npz"], "no reference"),
    ],
)
def test_an_incomplete_distance_is_rejected(output: Path, options: list[str], message: str) -> None:
    """A distance needs a reference and a backbone, and statistics are saved only with both."""
    with pytest.raises(UsageError, match=message):
        typed("distance", str(output), *options)


def test_statistics_are_saved_as_npz_alone(output: Path, reference: Path, backbones: Path) -> None:
    """Another file extension is rejected before any video is read."""
    options = ["--reference", str(reference), "--backbone", str(backbones / "videomae"), "--frames", "4"]
    with pytest.raises(MetricError, match=r"a file that ends in \.npz"):
        typed("distance", str(output), *options, "--save-statistics", "statistics.pkl")
    assert not (output / "features").exists()


def test_distances_are_in_the_list_of_metrics() -> None:
    """t2vbatch metrics lists the distances, and shows definition, source and backbone of one."""
    listed = typed("metrics").output
    assert "fvd " in listed
    assert "fid " in listed
    shown = typed("metrics", "fvd").output
    for word in ("Definition:", "Unterthiner", "Range:", "Direction:", "Weights:", "t2vbatch distance"):
        assert word in shown


def test_a_distance_under_metrics_is_rejected() -> None:
    """The error names the key distances."""
    with pytest.raises(MetricError, match="fid under distances"):
        metric_class("fid")
