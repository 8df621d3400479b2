"""Values of call arguments are checked by the pipeline's annotations before anything starts."""

from typing import Any, Literal, Optional, Union

import diffusers
import pytest
import torch

from t2vbatch.job import Limits
from t2vbatch.models.calls.check import UNLIMITED
from t2vbatch.models.calls.signature import read_signature
from t2vbatch.models.calls.value_kinds import argument_problem, details_of, kinds_of, size_problem, suited


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (int, {"whole"}),
        (int | None, {"whole"}),
        (Optional[int], {"whole"}),  # noqa: UP045 - as diffusers writes it
        (Union[float, list[float]], {"number", "list"}),  # noqa: UP007
        (str | list[str] | None, {"text", "list"}),
        (dict[str, Any], {"object"}),
        (Literal["a", "b"], {"text"}),
        (tuple[int, int], {"list"}),
        (torch.Tensor | None, set()),
        (int | torch.Tensor, set()),
        (Any, set()),
    ],
)
def test_kinds_of_annotations(annotation: Any, kinds: set[str]) -> None:
    """An annotation gives the kinds of its members; one that a job cannot write leaves a value unchecked."""
    assert kinds_of("x", annotation) == kinds


@pytest.mark.parametrize(
    ("name", "default", "kinds"),
    [
        ("num_frames", 16, {"whole"}),
        ("cond_scale", 6, {"number"}),
        ("loop", False, {"boolean"}),
        ("mode", "fast", {"text"}),
        ("x", None, set()),
    ],
)
def test_kinds_of_defaults(name: str, default: Any, kinds: set[str]) -> None:
    """Without an annotation the default shows the kind, and only known counts must be whole."""
    assert kinds_of(name, None, default) == kinds


@pytest.mark.parametrize(
    ("kinds", "value", "expected"),
    [
        ({"whole"}, 16.0, 16),
        ({"whole"}, 16.5, 16.5),
        ({"whole", "number"}, 16.0, 16.0),
        ({"number"}, 5, 5),
        ({"text"}, 5, "5"),
        ({"list"}, "[0.5, 1]", [0.5, 1]),
        ({"list"}, "[broken", "[broken"),
        ({"list", "text"}, "[a]", "[a]"),
    ],
)
def test_values_in_the_form_of_the_call(kinds: set[str], value: Any, expected: Any) -> None:
    """Whole floats become integers where only an integer fits, and lists may be written as text."""
    found = suited(value, frozenset(kinds))
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "kinds", "value", "said"),
    [
        ("num_frames", {"whole"}, "many", "from 1 to 100,000; limits.num_frames"),
        ("num_frames", {"whole"}, 4.5, "from 1 to"),
        ("num_frames", {"whole"}, True, "from 1 to"),
        ("num_frames", {"whole"}, [8], "from 1 to"),
        ("num_frames", {"whole"}, 0, "from 1 to"),
        ("num_frames", {"whole"}, 10**9, "limits.num_frames"),
        ("height", {"whole"}, 10**9, "limits.height"),
        ("width", {"whole"}, -1, "limits.width"),
        ("num_inference_steps", {"whole"}, 10**9, "limits.num_inference_steps"),
        ("guidance_scale", {"number"}, "5", "a number"),
        ("guidance_scale", {"number"}, float("nan"), "finite"),
        ("guidance_scale", {"number"}, float("inf"), "finite"),
        ("guidance_scale", set(), float("nan"), "finite"),
        ("sigmas", {"list"}, [1.0, float("nan")], "finite"),
        ("sigmas", {"list"}, 1.0, "a list"),
        ("flag", {"boolean"}, "yes", "true or false"),
        ("flag", {"boolean"}, 2, "true or false"),
        ("kwargs", {"object"}, [1], "a section"),
        ("scale", {"number", "list"}, "x", "a number or a list"),
        ("text", {"text"}, ["a"], "text"),
    ],
)
def test_unsuited_values(name: str, kinds: set[str], value: Any, said: str) -> None:
    """Text in place of a number, fractions in place of counts, NaN, and absurd sizes are problems."""
    problem = argument_problem(name, value, frozenset(kinds), Limits())
    assert problem is not None
    assert said in problem[1]


@pytest.mark.parametrize(
    ("name", "kinds", "value"),
    [
        ("num_frames", {"whole"}, 16),
        ("num_frames", {"whole"}, None),
        ("guidance_scale", {"number"}, 5),
        ("guidance_scale", {"number", "list"}, [5.0, 1.0]),
        ("flag", {"boolean"}, 1),
        ("anything", set(), {"x": [1]}),
    ],
)
def test_suited_values(name: str, kinds: set[str], value: Any) -> None:
    """Values of the right kind, null, and values of unchecked arguments pass."""
    assert argument_problem(name, value, frozenset(kinds), Limits()) is None


def test_a_video_of_too_many_bytes() -> None:
    """Sides and frames within their limits may still be too much together."""
    call = {"height": 16_000, "width": 16_000, "num_frames": 1_000}
    problem = size_problem(call, Limits())
    assert problem is not None
    assert "limits.video_bytes" in problem[2]
    assert size_problem(call | {"num_frames": 10}, Limits()) is None


@pytest.mark.parametrize(
    ("pipeline", "name", "kinds"),
    [
        ("WanPipeline", "num_frames", {"whole"}),
        ("WanPipeline", "guidance_scale", {"number"}),
        ("TextToVideoSDPipeline", "height", {"whole"}),
        ("StableVideoDiffusionPipeline", "fps", {"number"}),
        ("LTXPipeline", "frame_rate", {"number"}),
        ("CogVideoXPipeline", "use_dynamic_cfg", {"boolean"}),
    ],
)
def test_kinds_of_real_pipelines(pipeline: str, name: str, kinds: set[str]) -> None:
    """Diffusers' own annotations; a frame rate may be a fraction, whatever its annotation says."""
    assert read_signature(getattr(diffusers, pipeline)).kinds[name] == kinds


def test_every_default_suits_its_own_argument() -> None:
    """No pipeline of diffusers has a default that the check refuses."""
    for name in dir(diffusers):
        pipeline = getattr(diffusers, name, None)
        if not name.endswith("Pipeline") or "Flax" in name or not isinstance(pipeline, type):
            continue
        try:
            signature = read_signature(pipeline)
        except (TypeError, ValueError, ImportError, KeyError, AttributeError):
            continue
        for argument, default in signature.defaults.items():
            kinds = signature.kinds.get(argument, frozenset())
            problem = argument_problem(argument, suited(default, kinds), kinds, Limits())
            assert problem is None, (name, argument, default, problem)


def test_a_limit_that_is_not_known_yet_is_not_shown() -> None:
    """A model's own call is checked before the job's limits are known."""
    problem = argument_problem("num_frames", "lots", frozenset({"whole"}), UNLIMITED)
    assert problem == ("the text 'lots'", "a whole number of at least 1")


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (tuple[int, int], {"list", "whole items", "2 items"}),
        (tuple[int, int] | None, {"list", "whole items", "2 items"}),
        (tuple[int, ...], {"list", "whole items"}),
        (tuple[int], {"list", "whole items"}),  # diffusers writes it for any number of items
        (list[float], {"list", "number items"}),
        (list[str] | None, {"list", "text items"}),
        (float | list[float], {"number", "list", "number items"}),
        (list[int] | list[float], {"list", "whole items", "number items"}),
        (list[int] | list[list[int]], {"list"}),
        (list[int] | list, {"list"}),
        (list[Any], {"list"}),
        (Literal["a", "b"], {"text", "=a", "=b"}),
        (Literal["a"] | None, {"text", "=a"}),
        (Literal["a"] | str, {"text"}),
    ],
)
def test_kinds_of_items_and_choices(annotation: Any, kinds: set[str]) -> None:
    """Items are known if no list in the type may hold anything; choices if the type takes no other text."""
    found = kinds_of("x", annotation)
    assert found | details_of("x", annotation, found) == kinds


SIDES = {"list", "whole items", "2 items"}


@pytest.mark.parametrize(
    ("kinds", "value", "said"),
    [
        (SIDES, [1, 2, 3], "a list of 2 whole numbers"),
        (SIDES, [1], "a list of 2 whole numbers"),
        (SIDES, [], "a list of 2 whole numbers"),
        (SIDES, [1, 2.5], "a list of 2 whole numbers"),
        (SIDES, [1, "2"], "a list of 2 whole numbers"),
        (SIDES, [1, True], "a list of 2 whole numbers"),
        (SIDES, [1, [2]], "a list of 2 whole numbers"),
        (SIDES, "[1, 2, 3]", "a list of 2 whole numbers"),
        (SIDES, 5, "a list"),
        ({"list", "number items"}, [0.5, "x"], "a list of numbers"),
        ({"list", "text items"}, ["a", 1], "a list of texts"),
        ({"number", "list", "number items"}, ["x"], "a list of numbers"),
        ({"text", "=a", "=b"}, "c", "one of a, b"),
        ({"whole"}, 10**30, "a whole number of 64 bits"),
    ],
)
def test_items_and_choices_are_checked(kinds: set[str], value: Any, said: str) -> None:
    """The message names what the argument takes."""
    suits = suited(value, frozenset(kinds))
    problem = argument_problem("x", suits, frozenset(kinds), Limits())
    assert problem is not None
    assert problem[1] == said


@pytest.mark.parametrize(
    ("kinds", "value", "expected"),
    [
        (SIDES, [512.0, 768], [512, 768]),
        (SIDES, "[512, 768.0]", [512, 768]),
        ({"list", "number items"}, [1, 0.5], [1, 0.5]),
        ({"list", "whole items", "number items"}, [1.0, 0.5], [1.0, 0.5]),
        ({"text", "=a", "=b"}, "b", "b"),
        ({"text", "=1"}, 1, "1"),
        ({"number", "list", "number items"}, 0.5, 0.5),
    ],
)
def test_items_come_in_the_form_of_the_call(kinds: set[str], value: Any, expected: Any) -> None:
    """Whole floats are whole numbers in a list too."""
    found = suited(value, frozenset(kinds))
    assert found == expected
    assert [type(one) for one in [found]] == [type(expected)]
    assert argument_problem("x", found, frozenset(kinds), Limits()) is None
