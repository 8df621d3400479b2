"""How often an output was compared: ``looks.json`` in the output, so that a repeated comparison can warn."""

from typing import Any

from t2vbatch.errors import StoreError
from t2vbatch.output.store import Store

FILE = "looks.json"
"""``{"prompts": [10, 20]}``: the distinct numbers of prompts of the comparisons so far, in order."""


def earlier_comparison(store: Store, prompts: int) -> int | None:
    """The largest number of prompts below ``prompts`` that this output was compared with; None if there is
    none.
    """
    return max((one for one in _read(store) if one < prompts), default=None)


def remember_comparison(store: Store, prompts: int) -> None:
    """Keep that the output was compared with this number of prompts. A read-only output keeps nothing."""
    known = _read(store)
    if prompts not in known:
        try:
            store.write_json(FILE, {"prompts": sorted([*known, prompts])})
        except (OSError, StoreError):
            return


def _read(store: Store) -> list[int]:
    try:
        found: Any = store.read_json(FILE)
    except (FileNotFoundError, StoreError):
        return []
    numbers = found.get("prompts") if isinstance(found, dict) else None
    return [one for one in numbers if isinstance(one, int)] if isinstance(numbers, list) else []
