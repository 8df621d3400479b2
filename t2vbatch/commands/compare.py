"""Compares the models of finished runs: reads their results, directions of scores and groups of prompts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.compare import Comparison, Missing, compare_groups, models_by_name
from t2vbatch.analysis.correlation import Correlation, correlations
from t2vbatch.analysis.groups import grouped
from t2vbatch.analysis.pairing import complete_prompts
from t2vbatch.analysis.summary import once
from t2vbatch.analysis.votes import VoteSummary, parse_votes, summarize_votes
from t2vbatch.commands.comparison_history import earlier_comparison, remember_comparison
from t2vbatch.errors import UsageError, counted, nearest
from t2vbatch.job import Job
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.records import RESULTS, score_columns
from t2vbatch.output.store import no_run_here, open_store


@dataclass(frozen=True)
class Compared:
    """The comparisons of one command.

    Attributes:
        groups: value of the column ``by``: comparison; without ``by`` the only key is "".
        notes: what the user should know of the groups.
        correlations: of the scores of each model, over all groups.
    """

    groups: dict[str, Comparison]
    notes: tuple[str, ...]
    correlations: tuple[Correlation, ...]


def compare_outputs(
    outputs: Sequence[str], by: str | None, missing: Missing, sequential: bool = False
) -> Compared:
    """Compare all models of these outputs.

    Without ``sequential`` each output keeps the number of prompts that it was compared with (``looks.json``),
    so that a later comparison of more prompts can warn.

    Args:
        by: a manifest column: compare within each of its values, with p-values corrected over all of them.
        sequential: use the test that is valid at every look, on the prompts whose samples are all finished.

    Raises:
        UsageError: an output has no results, there is only one model, or a manifest lacks the column.
    """
    results = read_results(outputs)
    notes = _repeated(outputs, results) if not sequential else []
    if sequential:
        results, notes = _complete(outputs, results)
    models = models_by_name(results)
    if len(models) < 2:
        raise UsageError(
            " ".join(outputs), f"one model, {', '.join(models)}", "two models or more", "name another output"
        )
    notes += _same_prompts(results)
    columns = known_columns(_jobs(outputs))
    agreement = correlations(models)
    if by is None:
        return Compared(compare_groups({"": models}, columns, missing, sequential), tuple(notes), agreement)
    groups = grouped(models, {name: _column(table, name, by) for name, table in models.items()})
    single = [label for label, part in groups.items() if len(part) < 2]
    if single:
        notes.append(f"not compared, because only one model has rows with {by} {', '.join(single)}")
    shared = {label: part for label, part in groups.items() if len(part) > 1}
    return Compared(compare_groups(shared, columns, missing, sequential), tuple(notes), agreement)


def read_votes(files: Sequence[Path], outputs: Sequence[str]) -> VoteSummary:
    """Summarize the votes of these files on the models of these outputs.

    Args:
        files: JSON Lines, as the report saves them; the files of several people count together.

    Raises:
        UsageError: a file cannot be read, has a line that is not a vote, or no vote is on these outputs.
    """
    votes = []
    for file in files:
        try:
            votes += parse_votes(file.read_text(encoding="utf-8"), str(file))
        except UnicodeDecodeError:
            found = "a file that is not text in UTF-8"
            raise UsageError(f"--votes {file}", found, "votes saved from a report") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"--votes {file}", reason, "votes saved from a report") from None
    better = {name: column.better for name, column in known_columns(_jobs(outputs)).items()}
    summary = summarize_votes(votes, models_by_name(read_results(outputs)), better)
    if not summary.votes:
        found = f"{counted(len(votes), 'vote')}, none for the models, rows and seeds of {' '.join(outputs)}"
        names = " ".join(str(file) for file in files)
        raise UsageError(f"--votes {names}", found, "votes that were saved from the report of these outputs")
    return summary


def read_results(outputs: Sequence[str]) -> dict[str, pa.Table]:
    """The results tables by the folder name of their output; by its whole path if two have one folder name.

    Raises:
        UsageError: a folder has no results, or is named twice.
    """
    stores = [open_store(output) for output in outputs]
    for output, store in zip(outputs, stores, strict=True):
        if sum(other.uri == store.uri for other in stores) > 1:
            raise UsageError(output, "the same output twice", "each output once", "name another output")
    names = [PurePosixPath(output.rstrip("/")).name for output in outputs]
    tables = {}
    for output, name, store in zip(outputs, names, stores, strict=True):
        label = name if names.count(name) == 1 else output
        try:
            tables[label] = store.read_table("results.parquet")
        except FileNotFoundError:
            raise no_run_here(store, "results.parquet") from None
    return tables


def _repeated(outputs: Sequence[str], results: Mapping[str, pa.Table]) -> list[str]:
    """Warnings: outputs with pending samples, and outputs that were compared before with fewer prompts.

    A test at 5% that is repeated every ten prompts up to 100 finds a winner among equal models in about 20%
    of runs: Armitage, McPherson and Rowe, Repeated significance tests on accumulating data, 1969, and
    ``tests/benchmarks/statistics.md``.
    """
    notes = []
    for output, table in zip(outputs, results.values(), strict=True):
        store = open_store(output)
        prompts = pc.count_distinct(table["row_id"]).as_py()
        before = earlier_comparison(store, prompts)
        remember_comparison(store, prompts)
        with suppress(FileNotFoundError):
            planned = store.read_table("plan.parquet", ["sample_id"]).num_rows
            if table.num_rows < planned and before is None:
                notes.append(
                    f"{output}: {table.num_rows} of {planned} samples are finished; repeated comparisons of a"
                    " growing run find false winners; use --sequential, or decide beforehand which one counts"
                )
        if before is not None:
            notes.append(
                f"{output}: compared before with {before} prompts, now with {prompts}; a comparison that is"
                " repeated every 10 prompts finds a false winner in one run of five; --sequential prevents"
                " that"
            )
    return notes


def _same_prompts(results: Mapping[str, pa.Table]) -> list[str]:
    """A note for each output in which several rows have one prompt: each row is a unit of the tests, except
    for rows that share their samples.
    """
    notes = []
    for output, table in results.items():
        own = once(table)
        rows = set(zip(own["row_id"].to_pylist(), own["prompt"].to_pylist(), strict=True))
        prompts = Counter(prompt for _, prompt in rows if prompt)
        repeated = sum(count for count in prompts.values() if count > 1)
        if repeated:
            notes.append(
                f"{output}: {repeated} rows share their prompt with another row and count as separate"
                " prompts; if they differ in nothing but their seeds, use samples instead of rows"
            )
    return notes


def _complete(
    outputs: Sequence[str], results: Mapping[str, pa.Table]
) -> tuple[dict[str, pa.Table], list[str]]:
    """The results of complete prompts, and a note on the rest."""
    kept, notes = {}, []
    for output, (label, table) in zip(outputs, results.items(), strict=True):
        kept[label] = table
        # Results that were copied without their plan count as complete.
        with suppress(FileNotFoundError):
            plan = open_store(output).read_table("plan.parquet", ["row_id", "model"])
            kept[label] = complete_prompts(table, plan)
            if waiting := table.num_rows - kept[label].num_rows:
                notes.append(
                    f"{output}: {waiting} finished samples wait for the other samples of their prompts"
                )
    return kept, notes


def _jobs(outputs: Sequence[str]) -> list[Job]:
    jobs = []
    for output in outputs:
        # Results that were copied without their job can still be compared.
        with suppress(UsageError):
            jobs.append(open_store(output).read_known_job())
    return jobs


def _column(table: pa.Table, name: str, by: str) -> str:
    """The manifest's column ``by`` in a results table, which may have the prefix manifest_: see
    make_results.
    """
    scores = score_columns(table.schema)
    columns = [column for column in table.column_names if column not in {*RESULTS.names, *scores}]
    found: str | None = next((column for column in columns if column in (by, f"manifest_{by}")), None)
    if found is None:
        expected = nearest(by, columns) or "a manifest with columns of its own beside the prompt"
        raise UsageError(f"--by {by}", f"no such column in the manifest of {name}", expected)
    return found
