import random

import torch

from t2vbatch.models.shapes.captions import caption, neighbours, plain_caption
from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    FRAMES,
    MOTIONS,
    SIZE,
    Scene,
    combinations,
    render,
    sample_scene,
)


def test_the_same_seed_draws_the_same_pixels() -> None:
    """A scene and its video are functions of the seed."""
    first, second = (render([sample_scene(random.Random(5))]) for _ in range(2))
    other = render([sample_scene(random.Random(6))])
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == (1, FRAMES, SIZE, SIZE, 3)
    assert first.dtype == torch.uint8


def test_a_video_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    """Many scenes drawn at once equal the same scenes drawn one by one."""
    scenes = [sample_scene(random.Random(i)) for i in range(12)]
    together = render(scenes)
    for scene, video in zip(scenes, together, strict=True):
        assert torch.equal(render([scene])[0], video)


def test_a_window_is_a_part_of_the_whole_clip() -> None:
    """Frames drawn from a later start equal the clip's, except for the faint end of the trail."""
    scene = Scene("red", "star", "bouncing")
    whole, window = render([scene]), render([scene], frames=4, start=3)
    assert (whole[:, 4:7].int() - window[:, 1:].int()).abs().max() <= 30


def test_a_single_frame_shows_the_motion() -> None:
    """The middle frames of all eight motions differ by the trail, with the same place and size."""
    frames = render([Scene("green", "circle", motion) for motion in MOTIONS])[:, FRAMES // 2].float()
    for i in range(len(MOTIONS)):
        for j in range(i):
            assert (frames[i] - frames[j]).abs().mean() > 1.0, (MOTIONS[i], MOTIONS[j])


def test_the_split_keeps_at_least_a_tenth_out_and_every_word_in() -> None:
    """The two sides share no combination and cover all; training uses every word."""
    seen, held_out = combinations(held_out=False), combinations(held_out=True)
    total = len(COLOURS) * len(SHAPES) * len(MOTIONS)
    assert len(set(seen) | set(held_out)) == total
    assert not set(seen) & set(held_out)
    assert 0.1 <= len(held_out) / total <= 0.2
    for position, words in enumerate((COLOURS, SHAPES, MOTIONS)):
        assert {combination[position] for combination in seen} == set(words)


def test_training_scenes_are_never_held_out() -> None:
    """Sampled scenes are on the requested side of the split."""
    held_out = set(combinations(held_out=True))
    rng = random.Random(0)
    for side in (False, True):
        drawn = [sample_scene(rng, side) for _ in range(500)]
        assert {(s.colour, s.shape, s.motion) in held_out for s in drawn} == {side}
        assert {s.background for s in drawn} == set(BACKGROUNDS)


def test_captions_vary_and_stay_true() -> None:
    """A scene has many wordings, each with the colour's word or a synonym."""
    scene = Scene("purple", "square", "left", "navy", "large")
    wordings = {caption(scene, random.Random(i)) for i in range(200)}
    assert len(wordings) > 150
    for wording in wordings:
        assert "purple" in wording or "violet" in wording
        assert "square" in wording or "box" in wording
        assert "left" in wording
        assert "navy" in wording


def test_neighbours_differ_in_one_word() -> None:
    """There are enough neighbours for 8 captions, and each caption differs in one place."""
    scene = Scene("red", "circle", "left")
    own = plain_caption(scene)
    assert own == "a red circle moves left"
    others = [plain_caption(other) for other in neighbours(scene)]
    assert len(set(others)) == len(others) == 7 + 3 + 7
    assert own not in others


def test_one_stream_gives_one_wording_for_two_scenes() -> None:
    """The captions of scenes that differ in colour alone differ in the colour's word alone."""
    for seed in range(50):
        red, blue = (
            caption(Scene(colour, "star", "up"), random.Random(seed)).split() for colour in ("red", "blue")
        )
        assert [(a, b) for a, b in zip(red, blue, strict=True) if a != b] == [("red", "blue")]
