"""Captions of scenes: many wordings of one scene, and the same wording of different scenes.

An attribute that a caption does not name has its default: a dark background, a medium size. A caption
without a verb means that the shape stays still. Some captions have a word without meaning here ("shiny"), so
that the model learns to ignore unknown words.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.world import (
    COLOURS,
    DEFAULT_BACKGROUND,
    DEFAULT_SIZE,
    MOTIONS,
    Scene,
)

T = TypeVar("T")

_COLOUR_WORDS = {
    "cyan": ("cyan", "cyan", "turquoise"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "rosy"),
}
_SHAPE_WORDS = {
    "circle": ("circle", "circle", "circle", "ball", "disc", "dot"),
    "square": ("square", "square", "square", "box"),
}
_SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium", "medium sized"),
    "large": ("large", "big", "huge"),
}
_BACKGROUND_WORDS = {
    "dark": ("dark", "black"),
    "navy": ("navy", "navy"),
    "gray": ("gray", "grey"),
    "light": ("light", "white"),
}
# Each motion as (a red circle) "moves left" and as (a red circle) "moving left".
_VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "left": (
        ("moves left", "moving left"),
        ("moves to the left", "moving to the left"),
        ("goes left", "going left"),
        ("slides to the left", "sliding to the left"),
        ("drifts left", "drifting left"),
    ),
    "right": (
        ("moves right", "moving right"),
        ("moves to the right", "moving to the right"),
        ("goes right", "going right"),
        ("slides to the right", "sliding to the right"),
        ("drifts right", "drifting right"),
    ),
    "up": (
        ("moves up", "moving up"),
        ("goes up", "going up"),
        ("rises", "rising"),
        ("floats upwards", "floating upwards"),
        ("moves upward", "moving upward"),
    ),
    "down": (
        ("moves down", "moving down"),
        ("goes down", "going down"),
        ("falls", "falling"),
        ("sinks downwards", "sinking downwards"),
        ("drops", "dropping"),
    ),
    "circling": (
        ("moves in circles", "moving in circles"),
        ("goes round and round", "going round and round"),
        ("orbits", "orbiting"),
        ("circles around", "circling around"),
        ("circles", "circling"),
    ),
    "bouncing": (
        ("bounces", "bouncing"),
        ("bounces up and down", "bouncing up and down"),
        ("hops", "hopping"),
        ("jumps up and down", "jumping up and down"),
        ("bounces along", "bouncing along"),
    ),
    "shrinking": (
        ("shrinks", "shrinking"),
        ("gets smaller", "getting smaller"),
        ("becomes smaller", "becoming smaller"),
        ("shrinks away", "shrinking away"),
        ("grows smaller", "growing smaller"),
    ),
    "still": (
        ("stays still", "staying still"),
        ("stands still", "standing still"),
        ("does not move", "not moving"),
        ("rests", "resting"),
        ("stays in place", "staying in place"),
    ),
}
_OPENINGS = ("", "", "", "a video of ", "a clip of ", "there is ", "an animation of ", "we see ")
_FILLERS = (
    "shiny", "pretty", "nice", "lonely", "happy", "simple", "flat", "bright", "beautiful", "lovely",
    "slowly", "quickly", "gently", "calmly", "smoothly", "steadily", "again", "now", "please", "cute",
    "cinematic", "colourful", "funny", "quiet", "solid", "plain", "perfect", "glowing", "smooth", "old",
)  # fmt: skip


def caption(scene: Scene, rng: random.Random) -> str:
    """One of some ten thousand wordings of the scene.

    The same `rng` state gives the same wording for any scene, so two scenes that differ in one word get
    captions that differ in that word (or phrase) alone.
    """
    colour = _pick(rng, _COLOUR_WORDS.get(scene.colour, (scene.colour,)))
    shape = _pick(rng, _SHAPE_WORDS.get(scene.shape, (scene.shape,)))
    verb, participle = _pick(rng, _VERBS[scene.motion])
    size, backdrop = _pick(rng, _SIZE_WORDS[scene.size]), _pick(rng, _BACKGROUND_WORDS[scene.background])
    ground = f"{_pick(rng, ('on', 'on', 'over', 'against'))} {_article(backdrop)} {backdrop} background"
    opening, form, place = _pick(rng, _OPENINGS), _pick(rng, range(6)), _pick(rng, range(3))
    filler, filler_at, odd = (
        _filler(_pick(rng, range(10**6))),
        _pick(rng, range(1, 40)),
        _pick(rng, range(8)) == 0,
    )
    tell_ground = scene.background != DEFAULT_BACKGROUND or _pick(rng, range(2)) == 0
    tell_size = scene.size != DEFAULT_SIZE or _pick(rng, range(8)) == 0
    silent, the, period = _pick(rng, range(4)) == 0, _pick(rng, range(5)) == 0, _pick(rng, range(5)) == 0

    noun = f"{size} {colour} {shape}" if tell_size else f"{colour} {shape}"
    noun = f"the {noun}" if the and not opening else f"{_article(noun)} {noun}"
    if scene.motion == "still" and silent:
        sentence = noun
    elif opening or form == 0:
        sentence = f"{noun} {participle}"
    elif form == 1:
        sentence = f"{noun} that {verb}"
    elif form == 2:
        sentence = f"{noun.split(' ', 1)[1]} {participle}"
    else:
        sentence = f"{noun} {verb}"
    sentence = opening + sentence
    if tell_ground:
        sentence = f"{ground}, {sentence}" if place == 0 else f"{sentence} {ground}"
    if odd:
        words = sentence.split()
        words.insert(filler_at % len(words), filler)
        sentence = " ".join(words)
    return sentence + "." if period else sentence


def plain_caption(scene: Scene) -> str:
    """The simplest sentence: "a red circle moves left", with size and background if not the default."""
    size = "" if scene.size == DEFAULT_SIZE else f"{scene.size} "
    noun = f"{size}{scene.colour} {scene.shape}"
    ground = "" if scene.background == DEFAULT_BACKGROUND else f" on a {scene.background} background"
    return f"{_article(noun)} {noun} {_VERBS[scene.motion][0][0]}{ground}"


def neighbours(scene: Scene) -> list[Scene]:
    """All scenes that differ in one of colour, shape and motion."""
    return [
        *(replace(scene, colour=colour) for colour in COLOURS if colour != scene.colour),
        *(replace(scene, shape=shape) for shape in SHAPES if shape != scene.shape),
        *(replace(scene, motion=motion) for motion in MOTIONS if motion != scene.motion),
    ]


def vocabulary_corpus() -> list[str]:
    """Sentences with every word of the captions; the tokenizer is trained on them."""
    words: set[str] = set(_FILLERS)
    for table in (_COLOUR_WORDS, _SHAPE_WORDS, _SIZE_WORDS, _BACKGROUND_WORDS):
        words.update(" ".join(entry) for entry in table.values())
    words.update(f"{verb} {participle}" for pairs in _VERBS.values() for verb, participle in pairs)
    words.update((*_OPENINGS, *COLOURS, *SHAPES, "on over against a an the that background"))
    return sorted(words)


def _filler(seed: int) -> str:
    """A word without meaning: one of the list, or random letters."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return rng.choice(_FILLERS)
    return "".join(rng.choices("aaabcdeeefghiijklmnooprssttuuvwxyz", k=rng.randint(3, 7)))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _pick(rng: random.Random, options: Sequence[T]) -> T:
    """Choose one option with exactly one random number, for any number of options."""
    return options[int(rng.random() * len(options))]
