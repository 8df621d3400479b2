"""Calls a modular pipeline of diffusers."""

from types import SimpleNamespace
from typing import Any

import torch

from t2vbatch.job import Model
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.calls.modular import guidance_settings
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.models.steps import step_done

_OUTPUTS = ("videos", "audio", "sound")


class ModularModel(DiffusersModel):
    """A modular pipeline, whose guiders get the strength of guidance of each call."""

    def __init__(
        self, pipeline: Any, spec: Model, facts: ModelFacts, device: str, how: Reading = DEFAULT
    ) -> None:
        super().__init__(pipeline, spec, facts, device, how)
        self._guidance = guidance_settings(pipeline.blocks)
        self._guiders = {name: getattr(pipeline, name) for name, _ in self._guidance.values()}
        for name, part in pipeline.components.items():
            if name.startswith("transformer") and part is not None:
                # Blocks have no callback after a step.
                part.register_forward_pre_hook(_step_begun)

    def _output(self, arguments: dict[str, Any]) -> Any:
        given: dict[str, dict[str, Any]] = {name: {} for name in self._guiders}
        for argument, (name, setting) in self._guidance.items():
            if argument in arguments:
                given[name][setting] = arguments.pop(argument)
        for name, guider in self._guiders.items():
            # A new one for each call: a guider counts steps, and a call that failed leaves it in the middle.
            setattr(self._pipeline, name, guider.new(**given[name]))
        return SimpleNamespace(**self._pipeline(**arguments, output=list(_OUTPUTS)))


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _step_begun(*_: Any) -> None:
    step_done()
