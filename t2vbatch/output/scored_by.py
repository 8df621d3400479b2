"""Which scores of the records the present scorer computed.  [pure]

The job may name other options or weights than when a video was scored. A mean over both would describe
neither, so a table has no value for an outdated score; its record keeps it.
"""

import json
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

Scorers = Mapping[str, str]
"""Score column: the digest of what decides its values, see ``metrics.identity``."""

OUTDATED = "computed with options or weights that differ from the job's; t2vbatch score computes it again"


def outdated_columns(scored_by: pa.ChunkedArray, scorers: Scorers) -> list[frozenset[str]]:
    """For each record the columns whose scores another scorer computed.

    Args:
        scored_by: JSON objects with a digest by column. Imported scores have none, nor have records of
            earlier versions: they count as current.
        scorers: the present ones. A column that is not among them is current too.
    """
    found: dict[str | None, frozenset[str]] = {None: frozenset()}
    for text in scored_by.unique().drop_null().to_pylist():
        other = json.loads(text).items() - scorers.items()
        found[text] = frozenset(column for column, _ in other if column in scorers)
    return [found[text] for text in scored_by.to_pylist()]


def without_outdated(records: pa.Table, scorers: Scorers) -> pa.Table:
    """The records with the reason OUTDATED in place of each outdated score.

    Args:
        records: with ``scores``, ``score_errors`` and ``scored_by``.
    """
    outdated = outdated_columns(records["scored_by"], scorers)
    if not any(outdated):
        return records
    scores, errors = records["scores"].to_pylist(), records["score_errors"].to_pylist()
    for index, columns in enumerate(outdated):
        if columns:
            scores[index] = json.dumps(json.loads(scores[index]) | dict.fromkeys(columns))
            reasons = json.loads(errors[index] or "{}") | dict.fromkeys(columns, OUTDATED)
            errors[index] = json.dumps(reasons, ensure_ascii=False)
    for name, texts in (("scores", scores), ("score_errors", errors)):
        records = records.set_column(records.column_names.index(name), name, pa.array(texts, pa.string()))
    return records


def count_outdated(results: pa.Table) -> Counter[str]:
    """How many scores of these results are outdated, by column."""
    counts: Counter[str] = Counter()
    for found in results["score_errors"].value_counts().to_pylist():
        for column, reason in json.loads(found["values"] or "{}").items():
            counts[column] += found["counts"] * (reason == OUTDATED)
    return +counts
