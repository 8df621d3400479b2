"""References to environment variables in a job, ``${NAME}``, so that a job file holds no secret.  [pure]

Each reference is resolved once, when the job is read. Files in the output (the job, the plan, records, the
report) contain the reference and never its value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from t2vbatch.job.secrets import SHORTEST
from t2vbatch.job.yaml_syntax import Path

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def unset_references(value: Any, environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Path and name of every reference to a variable that is not set, in nested mappings and lists."""
    return ((path, name) for path, name in _references(value, ()) if name not in environment)


def values_of(value: Any, environment: Mapping[str, str]) -> dict[str, str]:
    """The value of every reference to a variable that is set."""
    return {name: environment[name] for _, name in _references(value, ()) if name in environment}


def resolved(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with each reference replaced by its value."""
    match value:
        case str():
            return _REFERENCE.sub(lambda found: variables.get(found[1], found[0]), value)
        case Mapping():
            return {key: resolved(item, variables) for key, item in value.items()}
        case list():
            return [resolved(item, variables) for item in value]
        case _:
            return value


def redact(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with every secret replaced by the reference that it came from, at any depth."""
    match value:
        case str():
            for name, secret in sorted(variables.items(), key=lambda item: -len(item[1])):
                if len(secret) >= SHORTEST:
                    value = value.replace(secret, f"${{{name}}}")
            return value
        case Mapping():
            return {key: redact(item, variables) for key, item in value.items()}
        case list():
            return [redact(item, variables) for item in value]
        case _:
            return value


def _references(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield from ((path, name) for name in _REFERENCE.findall(value))
        case Mapping():
            for key, item in value.items():
                yield from _references(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _references(item, (*path, index))
