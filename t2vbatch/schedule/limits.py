"""What the scheduler keeps to."""

from dataclasses import dataclass

GRACE_S, GRACE = 1.0, 1.25
"""A worker looks at its deadline after each denoising step, and may be late by one: a quarter of the time and
a second are added before its process is ended from outside, and its model lost. So a unit of 20 steps that
would take five times as long as it is given is still ended without a loss."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one run.

    Attributes:
        workers: in all, at the beginning; a Cluster event changes it.
        minimum: workers that a model keeps while it has work.
        maximum: workers that a model gets at most; None for no limit of its own.
        timeout_s: seconds for each half of a unit, generating and finishing; None for no limit.
        silence_s: seconds without a sign of life after which a process counts as hung; None for never.
        attempts: charged failures after which a sample is quarantined.
        losses: times a sample may be lost with its node before that is charged too.
        starts: failures in a row to start a model's worker that stop the job.
    """

    workers: int
    minimum: int = 0
    maximum: int | None = None
    timeout_s: float | None = None
    silence_s: float | None = None
    attempts: int = 3
    losses: int = 10
    starts: int = 10

    @property
    def overdue_s(self) -> float:
        """When a worker that did not keep its deadline by itself is ended."""
        return float("inf") if self.timeout_s is None else GRACE * self.timeout_s + GRACE_S
