"""What a run reports before it generates finished samples again."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from t2vbatch.errors import UsageError
from t2vbatch.output.store import open_store
from tests.commands.test_edits import HUB, Edits, HubModel


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edits:
    """A finished run of twelve rows, whose model has another commit since."""
    monkeypatch.setattr(HubModel, "COMMITS", {"main": "aaaa"})
    edits = Edits(tmp_path, count=12).write(spec={"pipeline": HUB})
    edits.run()
    monkeypatch.setattr(HubModel, "COMMITS", {"main": "bbbb"})
    return edits


def _change_records(edits: Edits, changed: int, **values: Any) -> None:
    """Give the first records other values."""
    with open_store(edits.out).lease() as store:
        records = store.records()
        rows = [row | values for row in records.slice(0, changed).to_pylist()]
        store.rewrite(pa.concat_tables([pa.Table.from_pylist(rows, records.schema), records.slice(changed)]))


_NO_TIMES = {"wait_s": None, "generate_s": None, "convert_s": None}
_HALF_AN_HOUR = {"wait_s": 100.0, "generate_s": 1600.0, "convert_s": 100.0}


@pytest.mark.parametrize(
    ("without_times", "device", "expected"),
    [
        (0, "NVIDIA H100", "they took 12.00 GPU hours"),
        (0, "cpu", "they took 6.00 CPU worker hours"),
        (2, "NVIDIA H100", "10 of them took 10.00 GPU hours, and the records of the others have no times"),
        (12, "NVIDIA H100", "their records have no times"),
    ],
)
def test_the_cost_is_that_of_the_records(
    moved: Edits, without_times: int, device: str, expected: str
) -> None:
    """The hours are those of workers or of their GPUs, and the message counts the records without times."""
    _change_records(moved, 12, device=device, **_HALF_AN_HOUR)
    _change_records(moved, without_times, **_NO_TIMES)
    moved.write(spec={"pipeline": HUB}, workers={"gpus": 2.0})
    with pytest.raises(UsageError, match=rf"12 finished samples would be generated again; {expected}\n"):
        moved.run(update_models=True)
    assert open_store(moved.out).records().num_rows == 12


def test_an_edit_that_changes_no_pixel_hides_no_moved_revision(moved: Edits) -> None:
    """A run that also got an offload asks before it generates the samples of another commit."""
    moved.write(spec={"pipeline": HUB, "memory": ["model_cpu_offload"]})
    assert moved.run().made == 0
    moved.write(spec={"pipeline": HUB, "memory": []})
    with pytest.raises(UsageError, match=r"12 finished samples would be generated again(.|\n)*aaaa -> bbbb"):
        moved.run(update_models=True)


def test_a_user_who_changes_the_model_is_not_asked(moved: Edits) -> None:
    """A run with another frame rate generates all samples, also if the revision moved."""
    assert moved.write(spec={"pipeline": HUB, "fps": 4.0}).run(update_models=True).made == 12
