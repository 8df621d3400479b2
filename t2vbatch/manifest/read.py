"""Reading a manifest: source -> Manifest, or all of its problems."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from t2vbatch.errors import ManifestError, Problem, counted
from t2vbatch.job import COLUMNS, LIMITS, Columns, Limits
from t2vbatch.manifest.arrow_files import read_arrow
from t2vbatch.manifest.bad_rows import by_index, with_ids
from t2vbatch.manifest.build import build_table
from t2vbatch.manifest.columns import CANONICAL, MEDIA, SETTINGS, arrange, name_columns
from t2vbatch.manifest.compressed import unpacked
from t2vbatch.manifest.lines import read_csv, read_jsonl, read_text
from t2vbatch.manifest.media_checks import Access, verify_media
from t2vbatch.manifest.parquet import read_parquet
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import Raw
from t2vbatch.manifest.row_ids import firsts, note_duplicates
from t2vbatch.manifest.samples import check_samples
from t2vbatch.manifest.sources import BINARY, EXPECTED, ManifestFiles, find_source
from t2vbatch.manifest.table import Manifest


@dataclass(frozen=True)
class ManifestOptions:
    """What a job says about its manifest besides the limits.

    Attributes:
        columns: columns to rename and to ignore.
        allow: prefixes of URIs, besides the manifest's folder, whose media cells may name.
        record_bad_rows: keep bad rows in ``Manifest.bad_rows`` instead of refusing the manifest.
        reads: the media columns that some model of the job reads. Files of the other columns may be missing;
            paths that the manifest may not read are problems in every column.
        checked: path of an image that was checked before: the version that its folder reported for it then.
    """

    columns: Columns = COLUMNS
    allow: tuple[str, ...] = ()
    record_bad_rows: bool = False
    reads: frozenset[str] = frozenset(MEDIA)
    checked: Mapping[str, str] = field(default_factory=dict)


_FIX = (
    "correct the manifest; or set on_bad_row: record in the job, which records bad rows as failed and "
    "generates the others"
)

OPTIONS = ManifestOptions()
"""The default options."""


def read_manifest(
    source: str, allow_paths: bool = False, limits: Limits = LIMITS, options: ManifestOptions = OPTIONS
) -> Manifest:
    """Read a manifest and check all of it.

    Args:
        source: path or URI of a Parquet, Arrow, CSV, JSON or text file, or of a folder of Parquet files.
        allow_paths: whether cells may name any path of this machine: absolute paths, ``file:`` URIs, and
            paths outside the manifest's folder. Only for manifests that you trust.
        limits: upper bounds of the manifest's content.
        options: the job's other settings for its manifest.

    Raises:
        ManifestError: with every problem, at most ``limits.problems``.
    """
    problems = Problems(source, limits.problems, options.record_bad_rows)
    manifest = _read(source, allow_paths, limits, options, problems)
    if len(problems):
        raise ManifestError(problems.all(), _FIX)
    return manifest


def check_manifest(
    source: str, allow_paths: bool = False, limits: Limits = LIMITS, options: ManifestOptions = OPTIONS
) -> tuple[Problem, ...]:
    """Every problem of a manifest in the order of its rows; none if ``read_manifest`` would accept it.

    At most ``limits.problems`` problems are listed; a last one gives the number of the rest.
    """
    try:
        read_manifest(source, allow_paths, limits, options)
    except ManifestError as error:
        return error.problems
    return ()


def _read(
    text: str, allow_paths: bool, limits: Limits, options: ManifestOptions, problems: Problems
) -> Manifest:
    source = find_source(text, problems, limits)
    try:
        raw = _raw(source, problems, limits)
        if not raw.names:
            deque(raw.batches, maxlen=0)  # collects the problems of the lines
            raise ManifestError(problems.all()) if len(problems) else problems.stop("an empty file", EXPECTED)
        raw = arrange(raw, options.columns, problems)
        naming = name_columns(raw.names, problems, limits)
        if len(problems):
            raise ManifestError(
                problems.all(), "rename the columns, in the manifest or by columns.rename in the job"
            )
        built = build_table(raw, naming, problems, limits)
    except OSError as error:
        raise problems.stop(f"a file that cannot be read ({error})", EXPECTED) from None
    table = built.table
    access = Access(source.base, allow_paths, options.allow, limits, options.checked)
    verify_media(table, access, naming, options.reads, problems)
    id_column = naming.known.get("id")
    if id_column is not None:
        note_duplicates(table, id_column, problems, options.record_bad_rows)
    table = with_ids(table, problems.rows, id_column)
    kept = firsts(table)
    check_samples(table, naming, limits, problems)
    notes = [*raw.notes, *naming.notes, *built.notes, *_repeated(table, kept)]
    table = table if kept is None else table.take(kept)
    notes += _settings(table)
    bad = by_index(problems.rows, kept)
    return Manifest(
        text, table, tuple(notes), source.base, allow_paths, bad, built.mixed, options.allow, raw.textual
    )


def _raw(source: ManifestFiles, problems: Problems, limits: Limits) -> Raw:
    if source.format in BINARY:
        read = read_parquet if source.format == "parquet" else read_arrow
        return read(source.files, problems, limits)
    first = replace(source.files[0], open=unpacked(source.files[0].open))
    match source.format:
        case "csv" | "tsv":
            return read_csv(first, "\t" if source.format == "tsv" else ",", problems)
        case "jsonl":
            return read_jsonl(first, problems, limits)
        case _:
            return read_text(first, problems)


def _settings(table: pa.Table) -> Iterator[str]:
    """A sentence for each column that sets a size, a length, steps or a seed, with the number of rows."""
    for name in SETTINGS:
        if name in table.column_names and (rows := len(table) - table.column(name).null_count):
            of_rows = counted(rows, "row")
            how = f"sets the {name} of {of_rows}" if name in CANONICAL else f"sets {name} for {of_rows}"
            yield f"column {name!r} {how}; columns: {{ignore: [{name}]}} in the job leaves it out"


def _repeated(table: pa.Table, kept: pa.Array | None) -> tuple[str, ...]:
    """A sentence about the rows without ids that repeat earlier ones, if there are any."""
    if kept is None:
        return ()
    repeated = len(table) - len(kept)
    rows = (
        "1 row repeats an earlier row and is"
        if repeated == 1
        else f"{repeated:,} rows repeat earlier rows and are"
    )
    return (f"{rows} left out; an id column would keep repeated rows",)
