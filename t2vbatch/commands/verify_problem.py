"""What ``verify`` and ``check`` find."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VerifyProblem:
    """One difference between the output and its records.

    Attributes:
        sample_id: the sample whose video is missing or damaged; None if the problem is another one.
    """

    place: str
    found: str
    expected: str
    sample_id: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; expected {self.expected}"
