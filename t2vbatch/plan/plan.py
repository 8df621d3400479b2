"""A plan: every sample of a job, before anything runs.

Two Arrow tables hold it, so that a million samples stay small: one line per sample, and one line per row of
the manifest. What a worker needs for one sample is assembled when the sample is dispatched. Equal manifests,
jobs and models give equal plans, whatever the output holds already.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import InputError, RowError
from t2vbatch.manifest import Manifest, Media

PLAN = pa.schema(
    [
        ("sample_id", pa.string()),
        ("row_id", pa.string()),
        ("model", pa.dictionary(pa.int32(), pa.string())),
        ("sample_index", pa.int64()),
        ("seed", pa.int64()),
        ("video", pa.string()),
        ("call", pa.dictionary(pa.int32(), pa.string())),
        ("cost", pa.float64()),
        ("row", pa.int64()),
    ]
)
"""``row`` counts the manifest's rows from 0; ``cost`` is frames x pixels x steps; ``call`` is JSON."""

MEDIA_FILE = pa.struct(
    [
        ("name", pa.string()),
        ("uri", pa.string()),
        ("within", pa.string()),
        ("sha256", pa.string()),
        ("version", pa.string()),
    ]
)
"""One file that a row names. ``name`` is the manifest's column; ``uri`` is null for bytes in the manifest
itself; ``version`` is what the storage reports for it (size and time, or ETag), so that an unchanged file is
not read again."""

ROWS = pa.schema(
    [
        ("prompt", pa.large_string()),
        ("negative_prompt", pa.large_string()),
        ("media", pa.list_(MEDIA_FILE)),
    ]
)
"""What a row of the manifest gives to all its samples."""


@dataclass(frozen=True)
class Sample:
    """One video to generate, with everything that a worker needs to generate and record it.

    Attributes:
        digests: media column: SHA-256 of the bytes that were planned.
        texts: manifest column: its cell, for the columns that a metric asks for.
    """

    sample_id: str
    row_id: str
    model: str
    sample_index: int
    seed: int
    video: str
    prompt: str | None
    negative_prompt: str | None
    media: Mapping[str, Media] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """The samples that one pipeline call generates together, by their positions in the plan.

    Attributes:
        cost: frames x pixels x steps of one sample; units are sorted by it, the longest first.
    """

    model: str
    positions: tuple[int, ...]
    cost: float


@dataclass(frozen=True)
class PlannedModel:
    """What decides the pixels of every sample of a model, besides the row and its seed.

    Attributes:
        shared: canonical values of all but the call; see ``plan.make``.
        call: the arguments of the call, before a row's columns.
        reads: the columns that the call reads, such as ``prompt`` and ``image``.
    """

    shared: Mapping[str, Any]
    call: Mapping[str, Any]
    reads: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """Every sample of a job.

    Attributes:
        table: one line per sample, with the schema PLAN, in the order of rows, models, indices.
        rows: one line per row of the manifest, with the schema ROWS.
        extra: the manifest's other columns, one line per row.
        models: name: what decides the pixels of its samples.
        fan_out: digits of the identity that name the sub-folder of a video; see ``plan.names``.
        manifest: the manifest of the plan, for media whose bytes are in the manifest itself; None in a plan
            that was read from an output.
        bad: sample_id: why its row cannot be generated. The run records these samples as failed.
        notes: sentences that the user should read: columns that look misspelt, rows that were merged.
    """

    table: pa.Table
    rows: pa.Table
    extra: pa.Table
    models: Mapping[str, PlannedModel]
    fan_out: int = 0
    manifest: Manifest | None = None
    bad: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def has_equal_samples(self) -> bool:
        """Whether two samples have one identity, such as those of two models that differ in their names."""
        ids = self.table["sample_id"]
        # A million identities differ in their first digits, and a table of these takes less memory.
        if len(pc.utf8_slice_codeunits(ids, 0, 16).unique()) == len(ids):
            return False
        return len(ids.unique()) < len(ids)

    def sample(self, position: int) -> Sample:
        """The sample at a position of the table, with the bytes of its media.

        Raises:
            InputError: an input cannot be read, or changed after it was planned.
        """
        return read_inputs(self.planned(position))

    def planned(self, position: int, texts: Sequence[str] = ()) -> Sample:
        """The sample, with its media as the manifest names them: no file is read.

        Args:
            texts: manifest columns whose cells the sample gets.
        """
        planned = self.table.slice(position, 1).to_pylist()[0]
        number = planned.pop("row")
        row = self.rows.select(["prompt", "negative_prompt"]).slice(number, 1).to_pylist()[0]
        files = self._files(position)
        media = {file["name"]: self._media(file, position) for file in files}
        digests = {file["name"]: file["sha256"] for file in files}
        del planned["cost"]
        call = json.loads(planned["call"])
        cells = {name: row.get(name, self._cell(name, number)) for name in texts}
        return Sample(**planned | row | {"call": call, "media": media, "digests": digests, "texts": cells})

    def counts(self) -> dict[str, int]:
        """Planned samples of each model, in the order of the job."""
        counts = pc.value_counts(self.table["model"]).to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}

    def _cell(self, name: str, row: int) -> str | int | float | bool | None:
        """A cell of the manifest's other columns; None if it is empty or not a text or number."""
        found = self.extra[name][row].as_py() if name in self.extra.column_names else None
        return found if isinstance(found, str | int | float | bool) else None

    def _files(self, position: int) -> list[dict[str, Any]]:
        """The files of the sample's row that its model reads."""
        reads = self.models[self.table["model"][position].as_py()].reads
        files = self.rows["media"][self.table["row"][position].as_py()].as_py() or []
        return [file for file in files if file["name"] in reads]

    def _media(self, file: Mapping[str, Any], position: int) -> Media:
        if file["uri"] is None and self.manifest is not None:
            return self.manifest.row(self.table["row"][position].as_py()).media[file["name"]]
        return Media(file["name"], file["uri"], within=file["within"])


def read_inputs(planned: Sample) -> Sample:
    """The sample with the bytes of its media.

    Raises:
        InputError: an input cannot be read, or changed after it was planned.
    """
    media = {name: _loaded(item, planned) for name, item in planned.media.items()}
    for name, item in media.items():
        if item.sha256() != planned.digests[name]:
            raise InputError(f"the {name} of row {planned.row_id!r} changed after it was planned; run again")
    return replace(planned, media=media)


def _loaded(item: Media, planned: Sample) -> Media:
    if item.uri is None and item.data is None:
        raise InputError(
            f"the {item.name} of row {planned.row_id!r} is in the manifest itself, not in the output"
        )
    try:
        return item.loaded()
    except RowError as error:
        raise InputError(str(error)) from error
