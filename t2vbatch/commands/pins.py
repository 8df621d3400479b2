"""The pins of a job's models, also of plug-ins, which find commits themselves; see models/pins.py."""

from collections.abc import Iterator, Mapping
from typing import Any

from t2vbatch.job import Job, Model
from t2vbatch.models.pins import pin_key
from t2vbatch.models.protocol import ModelFacts

Pins = Mapping[str, str]
"""``REPOSITORY@REVISION``: commit."""


def pin(model: Model, pins: Pins) -> Model:
    """The model with the pinned commit in the place of each revision."""

    def pinned(section: Mapping[str, Any]) -> dict[str, Any]:
        commit = pins.get(_key(section))
        return {**section, "revision": commit} if commit else dict(section)

    return model.model_copy(
        update={
            "revision": pins.get(_key(model.model_dump(include={"path", "revision"})), model.revision),
            "components": {name: part and pinned(part) for name, part in model.components.items()},
            "loras": [pinned(lora) for lora in model.loras],
            "ip_adapter": model.ip_adapter and pinned(model.ip_adapter),
        }
    )


def find_pins(job: Job, facts: Mapping[str, ModelFacts]) -> dict[str, str]:
    """The commit of every Hub revision that the job's models name."""
    pins = {}
    for name, known in facts.items():
        commits: dict[str, set[str]] = {}
        for repository, commit in _commits(known.identity):
            commits.setdefault(repository, set()).add(commit)
        for section in _sections(job.models[name]):
            found = commits.get(str(section.get("path")), set())
            if len(found) == 1 and section.get("revision") not in found:
                pins[_key(section)] = min(found)
    return pins


def _key(section: Mapping[str, Any]) -> str:
    return pin_key(str(section.get("path")), section.get("revision"))


def _sections(model: Model) -> Iterator[Mapping[str, Any]]:
    """Every part of the model that has a path and a revision."""
    yield {"path": model.path, "revision": model.revision}
    yield from (part for part in model.components.values() if part)
    yield from model.loras
    yield from [model.ip_adapter] if model.ip_adapter else []


def _commits(identity: Any) -> Iterator[tuple[str, str]]:
    """The repositories that an identity names, with their commits."""
    if isinstance(identity, Mapping):
        if isinstance(identity.get("hub"), str) and isinstance(identity.get("commit"), str):
            yield identity["hub"], identity["commit"]
        for value in identity.values():
            yield from _commits(value)
    elif isinstance(identity, list | tuple):
        for value in identity:
            yield from _commits(value)
