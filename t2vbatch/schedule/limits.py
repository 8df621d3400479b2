"""The bounds that the scheduler keeps."""

from dataclasses import dataclass

GRACE_S, GRACE = 1.0, 1.25
"""A worker checks its deadline after each denoising step, and may be late by one step: a quarter of the time
plus one second is added before its process is ended and its model lost. So a unit of 20 steps that would take
five times its deadline is still ended without losing the model."""


@dataclass(frozen=True)
class RunLimits:
    """Bounds of one run.

    Attributes:
        workers: of all models together, at the start; a Cluster event changes it.
        minimum: workers that a model keeps while it has units.
        maximum: workers that a model gets at most; None for no limit of its own.
        timeout_s: seconds for generating a unit, and again for finishing it; None for no limit.
        silence_s: seconds without an answer after which a process counts as hung; None for never.
        attempts: charged failures after which a sample is quarantined.
        losses: times that a sample may be lost with its node before the loss is charged.
        starts: failed starts of a model's workers in a row that stop the job.
        same_errors: samples of a model that failed with one error, before any succeeded, that stop the job.
        load_s: seconds that a worker may take to load its model; None for no limit.
        finish_threads: units that a worker finishes at the same time.
        together: short units that a worker may get at once; see ``together``.
        held_bytes: bytes of generated frames that a worker may hold before it generates more.
        needs: the resources of a worker, as text for messages.
    """

    workers: int
    minimum: int = 0
    maximum: int | None = None
    timeout_s: float | None = None
    silence_s: float | None = None
    attempts: int = 3
    losses: int = 10
    starts: int = 10
    same_errors: int = 10
    load_s: float | None = None
    finish_threads: int = 1
    together: int = 1
    held_bytes: int = 4 << 30
    needs: str = ""

    @property
    def overdue_s(self) -> float:
        """Seconds after which a worker that exceeded its deadline is ended."""
        return float("inf") if self.timeout_s is None else GRACE * self.timeout_s + GRACE_S
