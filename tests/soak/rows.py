"""The rows of the soak: a few of every fault among good ones, each with the outcome that it must have."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Kind:
    """One kind of row.

    Attributes:
        share: of the rows; at least one row has each kind.
        cells: of the row, in addition to its id and prompt; ``fault`` goes into the prompt.
        status: of its records; if it is ok, a video without motion may also be degenerate.
        attempts: of its records, if the row fails.
    """

    share: float
    cells: Mapping[str, Any]
    status: str = "ok"
    attempts: int | None = None


SLOW_S = 1e-4
"""Every plain row has the fake's fault ``slow``, which counts in files how often the row was generated."""

KINDS: Mapping[str, Kind] = {
    "raises": Kind(0.004, {"fault": "raise"}, "failed", 3),
    "raises once": Kind(0.004, {"fault": "raise x1"}),
    "raises twice": Kind(0.004, {"fault": "raise x2"}),
    "wrong signature": Kind(0.003, {"fault": "type_error"}, "failed", 1),
    "NaN": Kind(0.004, {"fault": "nan"}, "degenerate"),
    "black": Kind(0.004, {"fault": "black"}, "degenerate"),
    "one pixel": Kind(0.002, {"height": 2, "width": 2}),
    "out of memory": Kind(0.0001, {"fault": "oom"}, "failed", 3),
    "out of memory without offload": Kind(0.0002, {"fault": "oom_unless_offload"}),
    "exits": Kind(0.0002, {"fault": "exit"}, "failed", 3),
    "exits once": Kind(0.0005, {"fault": "exit x1"}),
    "segfault once": Kind(0.0005, {"fault": "segfault x1"}),
    "hangs once": Kind(0.0002, {"fault": "hang x1"}),
    "slow": Kind(0.001, {"fault": "slow", "fault_seconds": 0.5}),
    "image": Kind(0.004, {"image": "good.png"}),
    "missing image": Kind(0.002, {"image": "missing.png"}, "failed", 0),
    "broken image": Kind(0.002, {"image": "broken.png"}, "failed", 0),
    "image outside": Kind(0.002, {"image": "../secret"}, "failed", 0),
    "wrong seed": Kind(0.002, {"seed": -1}, "failed", 0),
    "absurd size": Kind(0.002, {"height": 10**9}, "failed", 0),
}


def make_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows in a random order; an id begins with the name of its kind, or is ``plain``."""
    rows = [
        _row(f"{name.replace(' ', '_')}-{index}", kind.cells)
        for name, kind in KINDS.items()
        for index in range(max(1, round(kind.share * count)))
    ]
    rows += [_row(f"plain-{index}", {}) for index in range(count - len(rows))]
    random.Random(seed).shuffle(rows)
    return rows


def _row(row_id: str, cells: Mapping[str, Any]) -> dict[str, Any]:
    own = dict(cells)
    fault = own.pop("fault", None)
    return {"id": row_id, "prompt": f"{row_id} [fault:{fault}]" if fault else row_id} | own


def kind_of(row_id: str) -> Kind | None:
    """The kind of a row; None for a plain one."""
    return KINDS.get(row_id.rpartition("-")[0].replace("_", " "))


def write_media(folder: Path) -> None:
    """The files that the rows name, and a secret outside the manifest's folder."""
    Image.new("RGB", (64, 64), (200, 40, 40)).save(folder / "good.png")
    whole = (folder / "good.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder.parent / "secret").write_bytes(whole)


def wrong_outcomes(records: list[dict[str, Any]]) -> Iterator[str]:
    """The records whose status or attempts are not those of their rows' kinds, as sentences."""
    for record in records:
        kind = kind_of(record["row_id"])
        status = kind.status if kind else "ok"
        found = f"{record['row_id']} ({record['model']}) is {record['status']}"
        if record["status"] != status and (status, record["status"]) != ("ok", "degenerate"):
            yield f"{found}, not {status}: {record['error']}"
        elif kind and kind.attempts is not None and record["attempts"] != kind.attempts:
            yield f"{found} after {record['attempts']} attempts, not {kind.attempts}"
        elif status == "ok" and record["attempts"] > 3:
            yield f"{found} after {record['attempts']} attempts"
