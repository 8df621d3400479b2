"""YAML with places: each syntax problem is reported with its line, in plain words."""

from collections.abc import Sequence
from typing import Any

import pytest

from t2vbatch.errors import ErrorCollector, JobError
from t2vbatch.job.yaml_source import Document, read_document
from t2vbatch.job.yaml_syntax import dump_yaml


def _read(text: str, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], Document]:
    problems = ErrorCollector()
    found = read_document(text, "job", overrides, problems)
    problems.raise_if_any()
    return found


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("a: b: c", "job:1:5", "an unexpected colon: a: b: c"),
        ("a: 1\n b: 2", "job:2:3", "an unexpected colon"),
        ("a 1\nb: 2", "job:2:2", "an unexpected colon"),
        ("a: 1\n\tb: 2", "job:2:1", "a tab"),
        ("a: 1\nb\n", "job:2:1", 'a line without "key:": b'),
        ("a: {b: 1\nc: 2", "job:1:4", "an unclosed bracket: a: {b: 1"),
        ("a: [", "job:1:5", "an unclosed bracket"),
        ("a: 'b\nc: 2", "job:1:4", "an unclosed quote"),
        ("a: %b", "job:1:4", "a special character"),
        ("a: *b", "job:1:4", "begins with *"),
        ('a: "C:\\data"', "job:1:8", "a backslash in double quotes"),
        ("a: 1\n---\nb: 2", "job:2:1", "a second document"),
        ("a:\n    b: 1\n  c: 2", "job:3:3", "an indent that differs"),
        ("a: - b", "job:1:4", "an unexpected list item"),
        ("a: !!python/name:os.system x", "job:1:4", "!!python/name:os.system"),
        ("a: !b c", "job:1:4", "the tag !b"),
        ("a: 0x_", "job:1:4", "'0x_'"),
        ("a: &a [*a]", "job:1:4", "contains itself"),
        ("[a]: 1", "job:1:1", "not text"),
        ("a: b\x00", "job", "does not allow"),
        ("[" * 5000, "job", "nested too deeply"),
    ],
)
def test_a_syntax_problem_names_its_place(text: str, where: str, said: str) -> None:
    """The message has file, line and column as editors count them, and no text of PyYAML."""
    with pytest.raises(JobError) as caught:
        _read(text)
    assert caught.value.where == where
    assert said in caught.value.found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15e-1", 1.5),
        ("1e3", 1000.0),
        ("6.02E23", 6.02e23),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("+1", 1),
        ("0", 0),
        ("1:30", "1:30"),
        ("12:30:45", "12:30:45"),
        ("2020-01-02", "2020-01-02"),
        ("=", "="),
        ("1e", "1e"),
        ("'010'", "010"),
        ("'1e3'", "1e3"),
        ("'1:30'", "1:30"),
        ("'null'", "null"),
    ],
)
def test_numbers_are_those_of_json(text: str, value: object) -> None:
    """Every plain scalar is the value that people mean, and survives writing and reading."""
    data, _ = _read(f"a: {text}")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)
    again, _ = _read(dump_yaml(data))
    assert again == data
    assert type(again["a"]) is type(value)


@pytest.mark.parametrize("text", ["010", "08", "00", "-012", "0_7"])
def test_octal_numbers_are_refused(text: str) -> None:
    """010, which YAML 1.1 reads as 8, is refused, and the message has both ways to write it."""
    with pytest.raises(JobError, match="octal"):
        _read(f"a: {text}")


@pytest.mark.parametrize(
    "line", ["l{n}: &l{n} [{a}]", "l{n}: &l{n} {{a: {b}, b: {b}}}", "l{n}: &l{n} {{<<: [{a}], k{n}: 1}}"]
)
def test_an_alias_bomb_is_refused_quickly(line: str) -> None:
    """Ten aliases of ten aliases, nine levels deep, are refused with one message before they are expanded."""
    first = "l0: &l0 {x: 1}\n"
    bomb = "".join(
        line.format(n=n, a=", ".join([f"*l{n - 1}"] * 10), b=f"*l{n - 1}") + "\n" for n in range(1, 30)
    )
    with pytest.raises(JobError, match="aliases"):
        _read(first + bomb)


def test_every_key_has_its_place() -> None:
    """Keys in lists, flow mappings and merges have a place; an absent key has the place of its section."""
    text = "base: &base {x: 1}\nmodels:\n  wan:\n    <<: *base\n    loras:\n    - {path: p}\n"
    data, document = _read(text)
    assert data["models"]["wan"]["x"] == 1
    assert document.where(("models", "wan", "loras", 0, "path")) == "job:6:8: models.wan.loras[0].path"
    assert document.where(("models", "wan", "x")) == "job:1:14: models.wan.x"
    assert document.where(("models", "wan", "dtype")) == "job:3:3: models.wan.dtype"
    assert document.where(("seed",)) == "job: seed"


def test_an_option_may_address_names_with_dots() -> None:
    """The longest existing name counts; a new name ends at each dot."""
    text = "models: {wan-2: {batch: 1}, wan-2.1: {batch: 1}}"
    data, document = _read(text, ["models.wan-2.1.batch=3", "models.wan-2.2.batch=4"])
    assert data["models"] == {"wan-2": {"batch": 1, "2": {"batch": 4}}, "wan-2.1": {"batch": 3}}
    assert document.where(("models", "wan-2.1", "batch")) == "--set models.wan-2.1.batch=3"


def test_an_option_is_the_place_of_its_value() -> None:
    """A message about a value that an option set, at any depth, names the option."""
    data, document = _read("video: {crf: 3}\nseed: 1", ["video={crff: 1}", "a.b=2020-01-02"])
    assert data == {"video": {"crff": 1}, "seed": 1, "a": {"b": "2020-01-02"}}
    assert document.where(("video", "crff")) == "--set video={crff: 1}: video.crff"
    assert document.where(("a", "b")) == "--set a.b=2020-01-02"
    assert document.where(("seed",)) == "job:2:1: seed"


def test_a_problem_of_one_key_leaves_the_others() -> None:
    """A second value of a key, a tag and a bad option are problems, and the data have the other keys."""
    problems = ErrorCollector()
    text = "a: 1\na: 2\nb: {c: !x 3, d: 4}\ne: [010, 5]"
    data, document = read_document(text, "job", ["f=6", "g", "b.d=[", "h=!x 1"], problems)
    assert data == {"a": 1, "b": {"d": 4}, "e": [5], "f": 6}
    wheres = ["job:2:1", "job:3:8", "job:4:5", "--set g", "--set b.d=[", "--set h=!x 1"]
    assert [error.where for error in problems.errors] == wheres
    assert document.refused == {("a",), ("b", "c"), ("e", 0), ("g",), ("b", "d"), ("h",)}
