"""YAML with places: each slip of the pen is told with its line, in words for people."""

import pytest

from t2vbatch.errors import JobError
from t2vbatch.job.yaml_source import read_document


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("a: b: c", "job:1:5", "a colon where no key can stand: a: b: c"),
        ("a: 1\n b: 2", "job:2:3", "a colon where no key can stand"),
        ("a 1\nb: 2", "job:2:2", "a colon where no key can stand"),
        ("a: 1\n\tb: 2", "job:2:1", "a tab"),
        ("a: 1\nb\n", "job:2:1", "a line that is no key: b"),
        ("a: {b: 1\nc: 2", "job:1:4", "a bracket that is not closed: a: {b: 1"),
        ("a: [", "job:1:5", "a bracket that is not closed"),
        ("a: 'b\nc: 2", "job:1:4", "a quote that is not closed"),
        ("a: %b", "job:1:4", "a sign of YAML's own"),
        ("a: *b", "job:1:4", "begins with *"),
        ('a: "C:\\data"', "job:1:8", "a backslash in double quotes"),
        ("a: 1\n---\nb: 2", "job:2:1", "a second document"),
        ("a:\n    b: 1\n  c: 2", "job:3:3", "an indent unlike"),
        ("a: - b", "job:1:4", "none can stand"),
        ("a: !!python/name:os.system x", "job:1:4", "!!python/name:os.system"),
        ("a: !b c", "job:1:4", "!b, which means nothing"),
        ("a: 0x_", "job:1:4", "'0x_'"),
        ("a: &a [*a]", "job:1:4", "contains itself"),
        ("[a]: 1", "job:1:1", "not text"),
        ("a: b\x00", "job", "does not know"),
        ("[" * 5000, "job", "without end"),
    ],
)
def test_a_slip_is_told_with_its_place(text: str, where: str, said: str) -> None:
    """File, line and column as editors count them; what stands there; never a word of PyYAML's."""
    with pytest.raises(JobError) as caught:
        read_document(text, "job")
    assert caught.value.where == where
    assert said in caught.value.found


def test_every_key_has_its_place() -> None:
    """Also within lists, flow mappings, and what a merge brings; a key that is absent has its section's."""
    text = "base: &base {x: 1}\nmodels:\n  wan:\n    <<: *base\n    loras:\n    - {path: p}\n"
    data, document = read_document(text, "job")
    assert data["models"]["wan"]["x"] == 1
    assert document.where(("models", "wan", "loras", 0, "path")) == "job:6:8: models.wan.loras[0].path"
    assert document.where(("models", "wan", "x")) == "job:1:14: models.wan.x"
    assert document.where(("models", "wan", "dtype")) == "job:3:3: models.wan.dtype"
    assert document.where(("seed",)) == "job: seed"


def test_an_option_may_name_what_has_dots_in_its_name() -> None:
    """The longest name that stands there is meant; what is new ends at each dot."""
    text = "models: {wan-2: {batch: 1}, wan-2.1: {batch: 1}}"
    data, document = read_document(text, "job", ["models.wan-2.1.batch=3", "models.wan-2.2.batch=4"])
    assert data["models"] == {"wan-2": {"batch": 1, "2": {"batch": 4}}, "wan-2.1": {"batch": 3}}
    assert document.where(("models", "wan-2.1", "batch")) == "--set models.wan-2.1.batch=3"


def test_an_option_stands_in_the_place_of_the_file() -> None:
    """What it gave is named by it, all that lies within its value too."""
    data, document = read_document("video: {crf: 3}\nseed: 1", "job", ["video={crff: 1}", "a.b=2020-01-02"])
    assert data == {"video": {"crff": 1}, "seed": 1, "a": {"b": "2020-01-02"}}
    assert document.where(("video", "crff")) == "--set video={crff: 1}: video.crff"
    assert document.where(("a", "b")) == "--set a.b=2020-01-02"
    assert document.where(("seed",)) == "job:2:1: seed"
