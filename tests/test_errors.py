"""The exception tree: complete in its drawing, and able to cross a process boundary."""

import pickle
from collections.abc import Iterator

import pytest

from t2vbatch import errors
from t2vbatch.errors import (
    CombinedJobError,
    JobError,
    ManifestError,
    ModelError,
    Problem,
    T2VBatchError,
    UsageError,
    nearest,
)


def _tree(root: type[T2VBatchError]) -> Iterator[type[T2VBatchError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _example(kind: type[T2VBatchError]) -> T2VBatchError:
    if issubclass(kind, ManifestError):
        return kind([Problem("m.csv", 3, "seed", "'x'", "an integer")], "mend it")
    if issubclass(kind, CombinedJobError):
        return kind([JobError("job.yaml:3:1: seed", "'x'", "an integer"), ModelError("models.a", "nothing")])
    if issubclass(kind, UsageError):
        return kind("job.yaml: seed", "'x'", "an integer", "write one")
    return kind("a reason")


@pytest.mark.parametrize("kind", list(_tree(T2VBatchError)), ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[T2VBatchError]) -> None:
    """An error has the same type, message and fields after pickling."""
    error = _example(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert repr(vars(copy)) == repr(vars(error))  # Exceptions have no equality.


def test_the_drawing_shows_every_error() -> None:
    """The module's docstring has a line for each class of the tree, which begins with its name."""
    drawn = [line.strip("│├└─ ").split(" ")[0] for line in (errors.__doc__ or "").splitlines()]
    ours = [kind.__name__ for kind in _tree(T2VBatchError) if kind.__module__ == errors.__name__]
    assert [name for name in ours if drawn.count(name) != 1] == []


def test_a_usage_error_says_where_what_and_what_to_do() -> None:
    """The message has the place, what was found, what was expected and what to do."""
    text = str(UsageError("job.yaml: sed", "an unknown key", "did you mean 'seed'?", "rename it"))
    assert all(part in text for part in ("job.yaml: sed", "unknown key", "'seed'", "rename it"))


def test_a_manifest_error_shows_ten_problems_and_counts_the_rest() -> None:
    """The message lists ten problems and the number of the others."""
    text = str(ManifestError([Problem("m.csv", n, "seed", "'x'", "an integer") for n in range(1, 15)]))
    assert "row 10" in text
    assert "row 11" not in text
    assert "4 more" in text


def test_nearest_names_the_likely_word_or_all() -> None:
    """A misspelt word gets the likely one; any other word gets the list of known ones."""
    assert nearest("guidance_scal", ["guidance_scale", "seed"]) == "did you mean 'guidance_scale'?"
    assert nearest("zzz", ["b", "a"]) == "one of a, b"
    assert nearest("FVD", ["fid", "fvd"]) == "did you mean 'fvd'?"
    assert nearest("Wann", ["LTXPipeline", "WanPipeline"]) == "did you mean 'WanPipeline'?"


def test_a_long_list_of_known_words_is_cut() -> None:
    """A list of hundreds of known words is cut."""
    text = nearest("zzz", [f"name{i:03}" for i in range(400)])
    assert text.startswith("one of name000, ")
    assert text.endswith(" and 370 more")
