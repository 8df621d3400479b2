"""Rows that cannot be generated: refused before anything starts, or recorded as failed.  [pure]"""

from typing import Literal

from t2vbatch.errors import ManifestError, Problem
from t2vbatch.manifest import Manifest

_LISTED = 3


class BadRows:
    """The bad rows of one plan.

    Args:
        policy: the job's ``on_bad_row``.
        limit: the largest number of problems that a refusal lists.

    Attributes:
        problems: index of a row: why its samples are recorded as failed.
    """

    def __init__(self, manifest: Manifest, policy: Literal["stop", "record"] | None, limit: int) -> None:
        self._manifest, self._policy, self._limit = manifest, policy, limit
        self._refused: list[Problem] = []
        self.problems: dict[int, Problem] = {}

    @property
    def full(self) -> bool:
        """Whether as many problems are known as a refusal lists, so that no further row needs a check."""
        return len(self._refused) >= self._limit

    def add(self, row: int, problem: Problem, remote: bool = False) -> None:
        """Add the problem of one row. ``remote``: whether it is an unreadable file on another machine."""
        if self._policy == "record" or (self._policy is None and remote):
            self.problems[row] = problem
        else:
            self._refused.append(problem)

    def raise_if_refused(self) -> None:
        """Raise ManifestError with all problems that the job's ``on_bad_row`` does not accept."""
        if self._refused:
            count = (
                f"{'at least ' if self.full else ''}{len(self._refused):,} of {len(self._manifest):,} rows"
            )
            fix = "or set on_bad_row: record, which records them as failed and generates the others"
            raise ManifestError(self._refused, f"{count} are bad: correct them; {fix}")

    def notes(self) -> list[str]:
        """A sentence with the number of recorded rows and the first of their problems."""
        if not self.problems:
            return []
        rows = f"{len(self.problems):,} of {len(self._manifest):,} rows"
        listed = "; ".join(map(str, list(self.problems.values())[:_LISTED]))
        more = f"; and {len(self.problems) - _LISTED:,} more" if len(self.problems) > _LISTED else ""
        return [f"{rows} cannot be generated and are recorded as failed: {listed}{more}"]
