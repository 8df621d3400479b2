"""Chooses a few example videos and writes their captions.  [pure]"""

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def choose(results: pa.Table, count: int) -> pa.Table:
    """Up to ``count`` videos of each model, of the same prompts and sample indices if possible.

    A digest of row and sample index orders the videos. The choice is as good as random, and it is the same
    after every run, so that two runs show the same examples.

    Args:
        results: as in results.parquet.
    """
    shown = results.filter(pc.is_valid(results["video"]))
    places = sorted(set(zip(*_named(shown, "row_id", "sample_index"), strict=True)), key=_draw)
    rank = {place: index for index, place in enumerate(places)}
    picked: dict[str, list[tuple[int, int]]] = {}
    for position, (model, *place) in enumerate(
        zip(*_named(shown, "model", "row_id", "sample_index"), strict=True)
    ):
        picked.setdefault(model, []).append((rank[tuple(place)], position))
    taken = [position for of_model in picked.values() for _, position in sorted(of_model)[:count]]
    return shown.take(pa.array(taken, pa.int64()))


def extreme(results: pa.Table, score: str, count: int, largest: bool) -> pa.Table:
    """The ``count`` ok videos with the largest, or smallest, values of a score, in that order."""
    scored = results.filter(pc.and_(pc.equal(results["status"], "ok"), pc.is_finite(results[score])))
    order = "descending" if largest else "ascending"
    return scored.sort_by([(score, order), ("sample_id", "ascending")]).slice(0, count)


def caption(row: dict[str, Any], scores: Sequence[str]) -> tuple[str, str]:
    """Prompt, and model, seed and scores, of one row of the results; a status that is not ok is named."""
    facts = [row["model"], *([row["status"]] if row["status"] != "ok" else []), f"seed {row['seed']}"]
    facts += [f"{name} {row[name]:.4g}" for name in scores if row[name] is not None]
    return row["prompt"] or row["row_id"], " \N{MIDDLE DOT} ".join(facts)


def _named(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _draw(place: tuple[str, int]) -> bytes:
    return hashlib.sha256(f"{place[0]}\n{place[1]}".encode()).digest()
