"""References to the environment in a job, ``${NAME}``, so that no secret stands in a file.  [pure]

What a reference stands for is looked up once, when the job is read. Whatever is written down, such as the job
in the output folder, the plan, records and the report, holds the reference.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from t2vbatch.errors import ErrorCollector, JobError
from t2vbatch.job.yaml_source import Path

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# A shorter value is no secret, and stands by chance in too much else.
_SHORTEST_SECRET = 4


def collect(value: Any, environment: Mapping[str, str], where: Callable[[Path], str]) -> dict[str, str]:
    """What every reference in a value of mappings, lists and text stands for.

    Args:
        where: what a key is called in a message.

    Raises:
        JobError: every variable that is not set, with the key that refers to it.
    """
    found, problems = {}, ErrorCollector()
    for path, name in _references(value, ()):
        if name in environment:
            found[name] = environment[name]
        else:
            expected, fix = "a variable of the environment", f"export {name}=..."
            problems.add(JobError(where(path), f"${{{name}}}, which is not set", expected, fix))
    problems.raise_if_any()
    return found


def resolved(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with references replaced by what they stand for."""
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
    """The value with references in the place of what they stand for, wherever that stands."""
    match value:
        case str():
            for name, secret in sorted(variables.items(), key=lambda item: -len(item[1])):
                if len(secret) >= _SHORTEST_SECRET:
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
