"""Collecting the problems of a manifest, so that a user sees all of them together."""

from t2vbatch.errors import ManifestError, Problem


class BadCell(ValueError):  # noqa: N818 - it never leaves the package, and is caught where the row is known
    """A cell that its column does not allow: found and expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found, self.expected = found, expected


class Problems:
    """The problems of one source, in the order of its rows. Keeps ``limit`` problems and counts the rest.

    Args:
        by_row: keep the first problem of every bad row in ``rows``, without a limit. Only the problems of
            the whole manifest then count.
    """

    def __init__(self, source: str, limit: int, by_row: bool = False) -> None:
        self._source, self._limit, self._by_row = source, limit, by_row
        self._kept: list[Problem] = []
        self._count = 0
        self.rows: dict[int, Problem] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, row: int | None, column: str | None, found: str, expected: str) -> None:
        """Add one problem. ``row`` counts from 1; None: the whole manifest, or the whole column."""
        if self._by_row and row is not None:
            self.rows.setdefault(row, Problem(self._source, row, column, found, expected))
            return
        self._count += 1
        if len(self._kept) < self._limit:
            self._kept.append(Problem(self._source, row, column, found, expected))

    def all(self) -> tuple[Problem, ...]:
        """The kept problems, and a last one with the number of further problems."""
        kept = sorted(self._kept, key=lambda problem: problem.row or 0)
        if self._count > len(kept):
            more = f"{self._count - len(kept):,} more problems"
            kept.append(Problem(self._source, None, None, more, f"at most {self._limit:,} in the list"))
        return tuple(kept)

    def stop(self, found: str, expected: str, fix: str = "") -> ManifestError:
        """The error of a source that cannot be read further: this problem, after the earlier ones."""
        self._limit += 1
        self.add(None, None, found, expected)
        return ManifestError(self.all(), fix)


def shown(value: object, length: int = 60) -> str:
    """A value as a message shows it: its kind and its beginning."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {str(value)[:length]}"
        case str():
            return f"{value[:length]!r}" + (f"... ({len(value):,} characters)" if len(value) > length else "")
        case bytes():
            return f"{len(value):,} bytes"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"the {type(value).__name__.lower()} {str(value)[:length]}"
