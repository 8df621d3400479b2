"""Lines of text that fit a terminal."""

import pytest

from t2vbatch.cli.words import beside, hanging, printable, reflowed, report_place

_TEXT = "How well the frames match the prompt, by a network that has seen many pairs."


@pytest.mark.parametrize("width", [30, 60, 80, 100, 200])
def test_a_description_is_broken_at_spaces(width: int) -> None:
    """No line is longer than the terminal, no word is cut, and further lines begin below the text."""
    lines = hanging(f"{'clip_score':15} ", _TEXT, width).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == f"clip_score {_TEXT}"
    if 60 <= width < 80:
        assert lines[1].startswith(" " * 16)


def test_a_long_word_begins_below_its_head() -> None:
    """A word that has no room beside the head begins below it and is not cut."""
    lines = hanging(
        "columns of .npy or .safetensors files: ", "latents, negative_prompt_embeds", 60
    ).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines == ["columns of .npy or .safetensors files:", "  latents, negative_prompt_embeds"]


def test_a_report_in_an_object_store_says_how_to_open_it() -> None:
    """A local report is a path to open; for one in an object store, the command that copies it is named."""
    assert report_place("/runs/wan") == "/runs/wan/report/index.html"
    assert "t2vbatch report s3://bucket/wan --share" in report_place("s3://bucket/wan")


@pytest.mark.parametrize("width", [60, 100])
def test_a_docstring_keeps_its_paragraphs(width: int) -> None:
    """Indented lines continue a line; empty lines separate paragraphs."""
    text = f"Title.\n\nDefinition: {_TEXT}\n    {_TEXT}\nSource: a paper."
    shown = reflowed(text, width)
    assert shown.startswith("Title.\n\nDefinition: ")
    assert shown.endswith("\nSource: a paper.")
    assert max(map(len, shown.splitlines())) <= width
    assert shown.split() == text.split()


def test_a_manifests_text_cannot_control_the_terminal() -> None:
    """Escape sequences and line ends become spaces; letters of every script stay."""
    assert printable("ünï \x1b[31mred\nnext") == "ünï  [31mred next"


def test_facts_stay_in_one_line_only_where_they_fit() -> None:
    """In a narrow terminal each fact begins a line of its own below the first."""
    facts = ["seed 7", "videos/wan/a.mp4", "a red fox runs through the snow"]
    assert beside("  id  ", facts, 80) == f"  id  {'  '.join(facts)}"
    narrow = beside("  id  ", facts, 32).splitlines()
    assert narrow == [
        "  id  seed 7",
        "      videos/wan/a.mp4",
        "      a red fox runs through the",
        "      snow",
    ]
    assert beside("  id  ", ["seed 7", "a" * 40, ""], 32).splitlines() == ["  id  seed 7", "  " + "a" * 40]
