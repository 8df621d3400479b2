"""Pinned revisions of Hub repositories: which commit a revision means, wherever it is looked up.

``main`` of a repository moves with every change of its read-me. A run writes the commit of each revision into
the job.yaml of its output, and the next run uses it again. Models, components, LoRAs, configs, scorers and
backbones are looked up in different rooms; both functions of the Hub that resolve a revision ask this module.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class _Pins:
    commits: Mapping[str, str] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)


_current: ContextVar[_Pins | None] = ContextVar("pins", default=None)


@contextmanager
def using_pins(commits: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Within the block, pinned revisions mean their commits. Blocks may be nested.

    Args:
        commits: ``REPOSITORY@REVISION``: commit.

    Returns:
        What the block looked up, in the same form; it is filled while the block runs.
    """
    outer = _current.get()
    pins = _Pins({**(outer.commits if outer else {}), **commits})
    token = _current.set(pins)
    try:
        yield pins.found
    finally:
        _current.reset(token)
        if outer:
            outer.found.update(pins.found)


def pin_key(repository: str, revision: str | None) -> str:
    """The name of a revision among the pins."""
    return f"{repository}@{revision or 'main'}"


def pinned_revision(repository: str, revision: str | None) -> str | None:
    """The commit that the revision is pinned to, or the revision itself."""
    pins = _current.get()
    return pins.commits.get(pin_key(repository, revision), revision) if pins else revision


def note_commit(repository: str, revision: str | None, commit: str) -> None:
    """Say which commit a revision means now. A revision that is a commit needs no pin."""
    if (pins := _current.get()) and revision != commit:
        pins.found[pin_key(repository, revision)] = commit
