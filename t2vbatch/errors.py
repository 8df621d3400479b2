"""Every error that t2vbatch raises on purpose.

::

    T2VBatchError
    ├── UsageError              the command, job or manifest is wrong; nothing was started       (exit 2)
    │   ├── JobError            a key or value of the job file
    │   │   └── CombinedJobError  all problems of one job
    │   ├── ManifestError       rows or columns of the manifest; carries every problem found
    │   ├── ModelError          a path without a pipeline, an argument it does not take, a missing package
    │   └── MetricError         an unknown metric, or one whose weights are not available
    ├── RunError                the run itself failed                                            (exit 1)
    │   ├── StoreError          the output cannot be read or written
    │   │   └── LeaseHeldError  another run is writing this output
    │   ├── NodeError           this machine lacks space or memory, or has other files than the plan names
    │   └── WorkerError         no worker can be started, or none can load its model
    └── SampleError             one sample cannot be generated; it is recorded and stops nothing else
        ├── RowError            the pipeline call raised, or an input of the row is broken
        │   └── InputError      an input of the row is missing, or differs from the planned one
        │       └── BrokenInputError  no decoder reads it, or it exceeds a limit
        ├── DegenerateError     the frames are not a video: NaN, infinity, no frames, wrong shape
        ├── EncodeError         a video cannot be encoded, or its file differs from the frames
        ├── MemoryExceededError the device ran out of memory
        ├── DeadlineError       the unit ran past its deadline
        └── CrashError          the process died while it generated this sample

Each one survives pickling, because they cross process boundaries: an exception's ``args`` are always the
arguments of its constructor.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches


class T2VBatchError(Exception):
    """The root of the tree."""


class UsageError(T2VBatchError):
    """Something the user wrote cannot be used.

    Args:
        where: the file, key, row or option that is wrong, as the user would write it.
        found: what was found there.
        expected: what could stand there.
        fix: what to do, as an imperative sentence.
    """

    def __init__(self, where: str, found: str, expected: str = "", fix: str = "") -> None:
        super().__init__(where, found, expected, fix)
        self.where, self.found, self.expected, self.fix = where, found, expected, fix

    def __str__(self) -> str:
        lines = [self.where, f"  found:    {self.found}"]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  to do:    {self.fix}")
        return "\n".join(lines)


class JobError(UsageError):
    """A key or a value of the job file is wrong."""


class CombinedJobError(JobError):
    """Several problems of one job; ``errors`` lists them, each an error of its own class."""

    def __init__(self, errors: Sequence[UsageError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.where, first.found, first.expected, first.fix)
        self.args = (self.errors,)

    def __str__(self) -> str:
        return "\n".join([f"{len(self.errors)} problems", *map(str, self.errors)])


class ErrorCollector:
    """Collects the errors of independent checks, so that the user reads all of them together."""

    def __init__(self, errors: Sequence[UsageError] = ()) -> None:
        self._errors = list(errors)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Runs one check: its error is kept, and the code after the block continues."""
        try:
            yield
        except UsageError as error:
            self.add(error)

    def add(self, error: UsageError) -> None:
        """Keep an error. Of several at one place the first is kept, because it causes the others."""
        for found in error.errors if isinstance(error, CombinedJobError) else (error,):
            if found.where not in {known.where for known in self._errors}:
                self._errors.append(found)

    @property
    def errors(self) -> tuple[UsageError, ...]:
        """The errors collected so far."""
        return tuple(self._errors)

    def raise_if_any(self) -> None:
        """Raise the collected errors: a single one as it is, several as a CombinedJobError."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise CombinedJobError(self._errors)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a manifest.

    ``row`` counts from 1, as people and spreadsheets do, without the header; None speaks of the whole file.
    """

    source: str
    row: int | None
    column: str | None
    found: str
    expected: str

    def __str__(self) -> str:
        place = self.source
        if self.row is not None:
            place += f", row {self.row}"
        if self.column is not None:
            place += f", column {self.column!r}"
        return f"{place}: found {self.found}; expected {self.expected}"


class ManifestError(UsageError):
    """The manifest cannot be used; ``problems`` lists all that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem], fix: str = "") -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.source, first.found, first.expected, fix)
        self.args = (self.problems, fix)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:10]]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more: t2vbatch manifest check lists all")
        if self.fix:
            shown.append(f"  to do: {self.fix}")
        return "\n".join(shown)


class ModelError(UsageError):
    """A model of the job cannot be used as the job asks."""


class MetricError(UsageError):
    """A metric of the job does not exist or cannot be computed here."""


class RunError(T2VBatchError):
    """The run failed as a whole; what was finished before is kept."""


class StoreError(RunError):
    """The output folder cannot be read or written."""


class LeaseHeldError(StoreError):
    """Another run holds the lease on this output."""


class NodeError(RunError):
    """A worker cannot run on this machine: too little space or memory, or other files than the plan names."""


class WorkerError(RunError):
    """No worker is available: each start, or each load of the model, failed."""


class SampleError(T2VBatchError):
    """One sample cannot be generated."""


class RowError(SampleError):
    """The pipeline call raised, or an input of the row is missing or broken."""


class InputError(RowError):
    """An input of the row is missing, or differs from the one that was planned."""


class BrokenInputError(InputError):
    """An input of the row cannot be decoded or exceeds a limit; no repetition changes that."""


class DegenerateError(SampleError):
    """What the model returned is not a video."""


class EncodeError(SampleError):
    """The video could not be written as a file that reads back as the same video."""


class MemoryExceededError(SampleError):
    """The device ran out of memory while it generated this sample."""


class DeadlineError(SampleError):
    """The unit ran past its deadline."""


class CrashError(SampleError):
    """The process died while it generated this sample."""


_LISTED = 30
"""A message lists at most this many known words; more would hide the message itself."""


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``, ``1,000 rows``, for messages."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown_path(place: object) -> str:
    """A path or URI for a message: in quotes if it has a blank, because its end is else not visible."""
    text = str(place)
    return repr(text) if " " in text else text


_MEDIA = "png|jpe?g|webp|tiff?|gif|avif|hei[cf]|bmp|mp4|webm|mov|mkv|avi|wav|flac|mp3|npy"

# Each alternative begins at the edge of a word: else a long word would be searched again from each letter.
_VARYING = re.compile(
    rf"""
    (?P<url>\b[a-z][a-z0-9+]*://[^\s/'"<>:,;]*) (?: :\d+ )? (?: /[^\s'"<>,;]* (?<!:) )?
  | (?P<quote>['"]) (?: (?P<host>[a-z][a-z0-9+]*://[^\s/'"]+)/ | (?: ~ | \.{{1,2}} | [a-z]: )? [\\/] )
    (?: (?!(?P=quote)) [^\n] )* (?P=quote)
  | (?<![\w.)]) (?: ~ | \.{{1,2}} | [a-z]: )? (?: [\\/][^\s\\/'":,;()<>\[\]]+ )+ [\\/]?
  | (?<![\w.@~/\\-]) (?: [\w.@~-]+[\\/] )* [\w.@~-]+ \. (?: {_MEDIA} ) \b
  | \b \d{{4}}-\d\d-\d\d [T ] [\d:.]+ (?: Z | [+-]\d\d:?\d\d )?
  | \b [0-9a-f]{{8}} (?: -[0-9a-f]{{4}} ){{3}} -[0-9a-f]{{12}} \b
  | \b 0x[0-9a-f]+ \b
  | \b (?=[a-f]*\d) [0-9a-f]{{8,}} \b
  | \b tmp\w{{6,}}
  | (?P<place> \b (?: row | line | worker | process | pid | sample | attempt | port | request\ ?id )
      [\s:=\#]{{1,2}} )
    (?: \d+ \b | '[^'\n]*' | (?=\w*\d)\w{{8,}} )
  | \b \d{{1,3}} (?: \.\d{{1,3}} ){{3}} (?: :\d+ )? \b
  | (?<=[a-z]) :\d{{4,5}} \b
  | (?<![\w.,]) \d[\d,]* (?: \.\d+ )? \s?
    (?: bytes? | [kmgt]i?b | b | seconds? | s | ms | min(?:utes?)? | h ) \b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def error_kind(error: str) -> str:
    """The text of an error with ``…`` for what differs between samples that failed for one reason.

    Left out: paths, names of media files and the paths of URLs (the host stays); ids in hexadecimal,
    addresses of memory and of the network, names of temporary files; times of day; numbers of bytes and of
    seconds; and which row, line, sample, worker, process or attempt it was. Every other number stays, because
    it may be the cause: HTTP 404 and 403, exit codes and signals, counts of frames, sizes of images and of
    tensors.
    """
    return _VARYING.sub(lambda found: f"{found['url'] or found['host'] or found['place'] or ''}…", error)


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word that is most like ``word``, in small or capital letters; None if none is like it."""
    folded = {name.casefold(): name for name in sorted(known)}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def nearest(word: str, known: Collection[str]) -> str:
    """A sentence that names the known word most like ``word``, or those that begin like it, or all."""
    if near := similar(word, known):
        return near
    shown = sorted(known)[:_LISTED]
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"one of {', '.join(shown)}{more}" if known else ""


def similar(word: str, known: Collection[str]) -> str:
    """A sentence that names the known word most like ``word``, or those that begin like it; empty if none do.

    A word begins like ``word`` if it begins with ``word``, or with all but its last letter.
    """
    if close := closest(word, known):
        return f"did you mean {close!r}?"
    for start in (word, word[:-1] if len(word) > 3 else ""):
        begins = [name for name in sorted(known) if start and name.casefold().startswith(start.casefold())]
        if len(begins) == 1:
            return f"did you mean {begins[0]!r}?"
        if begins:
            return f"did you mean one of {', '.join(begins[:_LISTED])}?"
    return ""
