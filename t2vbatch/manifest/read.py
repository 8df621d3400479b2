"""Reading a manifest from end to end, or saying all that is wrong with it."""

from collections import deque

import pyarrow as pa

from t2vbatch.errors import ManifestError, Problem
from t2vbatch.job import LIMITS, Limits
from t2vbatch.manifest.build import build_table
from t2vbatch.manifest.columns import Naming, name_columns
from t2vbatch.manifest.identity import merged, note_duplicates
from t2vbatch.manifest.lines import read_csv, read_jsonl, read_text
from t2vbatch.manifest.media_checks import verify_media
from t2vbatch.manifest.parquet import read_parquet
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import Raw
from t2vbatch.manifest.sources import EXPECTED, Source, find_source
from t2vbatch.manifest.table import Manifest


def read_manifest(source: str, allow_paths: bool = False, limits: Limits = LIMITS) -> Manifest:
    """Read a manifest and check all of it.

    Args:
        source: path or URI of a Parquet, CSV, JSON Lines or text file, or of a folder of Parquet files.
        allow_paths: whether cells may name any path of this machine: absolute ones, ``file:`` URIs, and
            ones that leave the manifest's folder. For manifests that one wrote oneself.
        limits: how much of anything it may hold.

    Raises:
        ManifestError: with every problem that was found, at most ``limits.problems`` of them.
    """
    problems = Problems(source, limits.problems)
    manifest = _read(source, allow_paths, limits, problems)
    if len(problems):
        raise ManifestError(problems.all(), "correct the manifest and run again")
    return manifest


def check_manifest(source: str, allow_paths: bool = False, limits: Limits = LIMITS) -> tuple[Problem, ...]:
    """Every problem of a manifest in the order of its rows; none where ``read_manifest`` would read it.

    At most ``limits.problems`` are told one by one; one more then tells how many there are beyond them.
    """
    try:
        read_manifest(source, allow_paths, limits)
    except ManifestError as error:
        return error.problems
    return ()


def _read(text: str, allow_paths: bool, limits: Limits, problems: Problems) -> Manifest:
    source = find_source(text, problems, limits)
    try:
        raw = _raw(source, problems, limits)
        if not raw.names:
            deque(raw.batches, maxlen=0)  # notes what is wrong with the lines, if there are any
            raise ManifestError(problems.all()) if len(problems) else problems.stop("nothing in it", EXPECTED)
        naming = name_columns(raw.names, problems, limits)
        if len(problems):
            raise ManifestError(problems.all(), "rename the columns")
        table = build_table(raw, naming, problems, limits)
    except OSError as error:
        raise problems.stop(f"a file that cannot be read ({error})", EXPECTED) from None
    verify_media(table, source.base, allow_paths, naming, problems)
    table, notes = _once(table, naming, problems)
    return Manifest(text, table, (*naming.notes, *notes), source.base, allow_paths)


def _raw(source: Source, problems: Problems, limits: Limits) -> Raw:
    first = source.files[0]
    match source.format:
        case "parquet":
            return read_parquet(source.files, problems, limits)
        case "csv" | "tsv":
            return read_csv(first, "\t" if source.format == "tsv" else ",", problems)
        case "jsonl":
            return read_jsonl(first, problems, limits)
        case _:
            return read_text(first, problems)


def _once(table: pa.Table, naming: Naming, problems: Problems) -> tuple[pa.Table, tuple[str, ...]]:
    if "id" in naming.known:
        note_duplicates(table, naming.known["id"], problems)
        return table, ()
    table, repeated = merged(table)
    if not repeated:
        return table, ()
    rows = (
        "1 row equals an earlier one and is"
        if repeated == 1
        else f"{repeated:,} rows equal earlier ones and are"
    )
    return table, (f"{rows} made once; an id column would keep them apart",)
