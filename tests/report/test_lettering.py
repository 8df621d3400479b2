"""Prompts in every script on contact sheets: glyphs, their order, and characters without a font."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2vbatch.report import fonts
from t2vbatch.report.lettering import draw_line, fitting, line_of, width_of

PROMPTS = {
    "French": "étoile filante, naïve œuvre",
    "Russian": "Красный кот бежит под дождём",
    "Greek": "η κόκκινη γάτα",
    "Hindi": "हरा पक्षी",
    "Arabic": "قطة حمراء تجري في المطر",
    "Chinese": "一只红色的猫在雨中奔跑",
    "Japanese": "赤い猫が雨の中を走る",
    "Korean": "빨간 고양이",
}


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the fonts that are installed with t2vbatch, as on a machine without any font."""
    for name in ("font_for", "_has"):
        getattr(fonts, name).cache_clear()
    monkeypatch.setattr(fonts, "machine_fonts", lambda: ())
    yield
    for name in ("font_for", "_has"):
        getattr(fonts, name).cache_clear()


def ink(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The drawn line as gray values."""
    page = Image.new("RGB", (600, 30), "white")
    draw_line(page, (0, 4), line_of(text), 15, "black")
    return np.asarray(page.convert("L"))


@pytest.mark.usefixtures("packaged")
@pytest.mark.parametrize("language", PROMPTS)
def test_a_prompt_of_each_language_is_drawn(language: str) -> None:
    """Every character has a font, and two different characters have different glyphs."""
    text = PROMPTS[language]
    assert line_of(text).missing == 0
    assert (ink(text) < 128).sum() > 100
    shapes = {ink(char).tobytes() for char in set(text) if char.isalpha()}
    assert len(shapes) == len({char for char in text if char.isalpha()})


@pytest.mark.usefixtures("packaged")
def test_characters_without_a_font_are_counted() -> None:
    """A row of them is one number in the text, invisible joiners are not counted, and nothing is a box."""
    line = line_of("a cat 🐈 with a 👩\u200d🚀 hat")
    assert line.missing == 3
    assert "".join(run.text for run in line.runs) == "a cat [1 character] with a [2 characters] hat"


@pytest.mark.usefixtures("packaged")
def test_arabic_is_shaped_and_runs_from_right_to_left() -> None:
    """Joined letters are narrower than separate ones, and the first word is the rightmost."""
    joined = width_of(line_of("قطة"), 15)
    assert joined < sum(width_of(line_of(char), 15) for char in "قطة")
    line = line_of("قطة 4K سوداء")
    assert line.right_to_left
    columns = np.flatnonzero((ink("قطة 漢 سوداء") < 128).any(axis=0))
    alone = np.flatnonzero((ink("قطة") < 128).any(axis=0))
    assert columns[-1] > alone[-1] * 2


@pytest.mark.usefixtures("packaged")
def test_a_line_is_cut_to_its_width() -> None:
    """A long prompt ends with three dots inside the width, in any script; a short one is complete."""
    for text in PROMPTS.values():
        cut = fitting(text * 20, 15, 200)
        assert 150 < width_of(cut, 15) <= 200
        assert cut.runs[-1].text.endswith("...")
        assert fitting(text, 15, 600) == line_of(text)


def test_a_font_of_the_machine_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fonts in the machine's folders are found, plain styles before bold ones."""
    (source, *_) = fonts.packaged_fonts()
    for name in ("Some-Bold.ttf", "Some-Regular.ttf", "broken.otf", "readme.txt"):
        (tmp_path / name).write_bytes(source.read_bytes() if name.startswith("Some") else b"no font")
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path), str(tmp_path / "missing")))
    found = fonts.machine_fonts.__wrapped__()
    assert [path.name for path in found] == ["Some-Regular.ttf", "broken.otf", "Some-Bold.ttf"]
    assert not fonts._has(tmp_path / "broken.otf", "a")
    assert fonts._has(tmp_path / "Some-Bold.ttf", "a")


def test_small_letters_are_spaced_as_large_ones() -> None:
    """A line at 12 pixels has the proportions of the font: letters do not snap to whole pixels."""
    line = line_of("a slow tracking shot of a motion blur")
    assert width_of(line, 12) == pytest.approx(width_of(line, 120) / 10, rel=0.01)
