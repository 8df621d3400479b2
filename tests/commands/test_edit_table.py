"""The table of edits: what each edit of a finished output keeps, generates, supersedes and brings back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyarrow.csv import ConvertOptions, read_csv
from pyarrow.parquet import write_table

from t2vbatch.commands.prune import find_prunable
from t2vbatch.models.fake import FakeModel
from t2vbatch.output.store import open_store
from tests.commands.test_edits import HUB, Edits, HubModel

_TABLE = Path(__file__).with_name("EDITS.md")


@dataclass(frozen=True)
class Edit:
    """An edit of a finished output: what its run makes, and how many samples it supersedes.

    Attributes:
        first: writes what was finished before; three plain rows unless it says otherwise.
    """

    change: Callable[[Edits], object]
    made: int
    superseded: int
    first: Callable[[Edits], object] = Edits.write


def _typed(edits: Edits) -> list[dict[str, Any]]:
    """Rows with a whole number, a fraction, and a cell that is empty in one row."""
    notes = ["", *(f"blurry {number}" for number in range(1, edits.count))]
    cells = {"num_frames": 4, "fault_seconds": 0.1}
    return [row | cells | {"negative_prompt": note} for row, note in zip(edits.rows(), notes, strict=True)]


def _convert(edits: Edits, name: str) -> None:
    """Write the rows in another format, with the types that Arrow finds in the CSV."""
    options = ConvertOptions(strings_can_be_null=True)
    rows = read_csv(edits.folder / "rows.csv", convert_options=options)
    if name.endswith(".parquet"):
        write_table(rows, edits.folder / name)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows.to_pylist())
        (edits.folder / name).write_text(lines)
    edits.write(_typed(edits), manifest=name)


_EDITS = {
    "a row is added": Edit(lambda e: e.write([*e.rows(), {"id": "new", "prompt": "x"}]), 1, 0),
    "a row is removed": Edit(lambda e: e.write(e.rows()[1:]), 0, 1),
    "a prompt changes": Edit(lambda e: e.write([{"id": "r0", "prompt": "x"}, *e.rows()[1:]]), 1, 1),
    "a note is added": Edit(lambda e: e.write(e.rows(note="n")), 0, 0),
    "the model is renamed": Edit(lambda e: e.write(model="other"), 0, 0),
    "two samples a row": Edit(lambda e: e.write(samples=2), 3, 0),
    "a key of the call": Edit(lambda e: e.write(spec={"call": {"num_frames": 4}}), 3, 3),
    "the seed": Edit(lambda e: e.write(seed=1), 3, 3),
    "the video's quality": Edit(lambda e: e.write(video={"crf": 30}), 3, 3),
    "the video's format": Edit(lambda e: e.write(video={"format": "gif"}), 3, 3),
    "the frame rate": Edit(lambda e: e.write(spec={"fps": 4.0}), 3, 3),
    "the order of the rows": Edit(lambda e: e.write(e.rows()[::-1]), 0, 0),
    "a metric is added": Edit(lambda e: e.write(metrics=["flicker"]), 0, 0),
    "a second model": Edit(
        lambda e: e.write(models={"m": e.fake(), "n": e.fake(call={"num_frames": 4})}), 3, 0
    ),
    "another model": Edit(lambda e: e.write(models={"n": e.fake(call={"num_frames": 4})}), 3, 3),
    "the manifest is renamed": Edit(lambda e: e.rename_manifest("other.csv"), 0, 0),
    "the output has another path": Edit(lambda e: e.link_output("link"), 0, 0),
    "a column of whole numbers becomes one of floats": Edit(
        lambda e: e.write(e.rows(fault_seconds="5.0")), 0, 0, lambda e: e.write(e.rows(fault_seconds=5))
    ),
    "fewer samples a row": Edit(lambda e: e.write(), 0, 3, lambda e: e.write(samples=2)),
    "the CSV becomes Parquet": Edit(
        lambda e: _convert(e, "rows.parquet"), 0, 0, lambda e: e.write(_typed(e))
    ),
    "the CSV becomes JSON Lines": Edit(
        lambda e: _convert(e, "rows.jsonl"), 0, 0, lambda e: e.write(_typed(e))
    ),
    "a column of empty cells is added": Edit(lambda e: e.write(e.rows(height="")), 0, 0),
    "the defaults are written out": Edit(
        lambda e: e.write(spec={"call": dict(FakeModel.CALL), "batch": 1, "fps": 8}, seed=0, samples=1), 0, 0
    ),
    "two models swap their names": Edit(
        lambda e: e.write(models={"m": e.fake(call={"num_frames": 4}), "n": e.fake()}),
        0,
        0,
        lambda e: e.write(models={"m": e.fake(), "n": e.fake(call={"num_frames": 4})}),
    ),
    "the paths become absolute": Edit(
        lambda e: e.write(manifest=str(e.folder / "rows.csv"), output=e.out), 0, 0
    ),
    "a revision moves": Edit(
        lambda e: HubModel.COMMITS.update(main="bbbb"), 0, 0, lambda e: e.write(spec={"pipeline": HUB})
    ),
}


@pytest.mark.parametrize("name", _EDITS)
def test_an_edit_keeps_everything_and_going_back_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An edit makes what it names, and what it supersedes comes back; EDITS.md has the numbers."""
    monkeypatch.setattr(HubModel, "COMMITS", {"main": "aaaa"})
    edits, edit = Edits(tmp_path), _EDITS[name]
    edit.first(edits)
    edits.run()
    before = _finished(edits)
    edit.change(edits)
    assert edits.run().made == edit.made
    superseded = set(find_prunable(edits.out).sample_ids.to_pylist())
    assert edits.counts() == (len(before) + edit.made, edit.superseded)
    monkeypatch.setattr(HubModel, "COMMITS", {"main": "aaaa"})
    edit.first(edits)
    again = edits.run().made
    after, left = _finished(edits), set(find_prunable(edits.out).sample_ids.to_pylist())
    twice = edit.made + again - len(after - before)
    numbers = (
        len(before),
        len(before - superseded),
        edit.made,
        len(superseded),
        len(superseded - left),
        twice,
        len(before - after),
    )
    assert f"| {name} | {' | '.join(map(str, numbers))} |\n" in _TABLE.read_text()
    assert (again, twice, before - after) == (0, 0, set())


def test_the_table_of_edits_has_no_other_lines() -> None:
    """EDITS.md has one line per edit."""
    lines = [line for line in _TABLE.read_text().splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == list(_EDITS)


def _finished(edits: Edits) -> set[str]:
    return set(open_store(edits.out).records()["sample_id"].to_pylist())
