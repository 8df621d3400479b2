"""Denoising steps of real pipelines are counted, and a deadline ends them, without an effect on pixels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from t2vbatch.errors import DeadlineError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.protocol import Request
from t2vbatch.models.steps import StepClock
from tests.models import tiny


@pytest.mark.parametrize("name", ["WanPipeline", "TextToVideoSDPipeline"])
def test_a_deadline_ends_a_call_and_nothing_else(name: str, checkpoint: Callable[[str], Path]) -> None:
    """A call with counted steps makes the same bytes, also after a call that missed its deadline.

    The two classes have the two forms of step callbacks.
    """
    spec = Model(path=str(checkpoint(name)))
    model = load_model(spec, inspect_model("mine", spec), "cpu")
    assert isinstance(model, DiffusersModel)
    call = tiny.TINY_PIPELINES[name].call
    request, steps = Request("a red ball rolls", None, 7, {}, call), StepClock()
    with steps.deadline(None):
        watched = model.generate([request])[0].sha256()
    assert steps.count == call["num_inference_steps"]
    with steps.deadline(0.0), pytest.raises(DeadlineError, match=r"deadline of 0 s \(workers\.timeout_s\)"):
        model.generate([request])
    assert steps.count == call["num_inference_steps"] + 1
    assert model.generate([request])[0].sha256() == watched
    model._signature = replace(model._signature, callback=None)
    assert model.generate([request])[0].sha256() == watched
