"""Reads a job: the file, the options that override it, the environment, and every problem of them.

A job with problems is read as far as possible (``Draft``), so that one message reports also what later checks
find in its valid parts.
"""

import copy
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from t2vbatch.errors import ErrorCollector, JobError, UsageError, nearest
from t2vbatch.job.env_refs import resolved, unset_references, values_of
from t2vbatch.job.job import Job
from t2vbatch.job.locate import located
from t2vbatch.job.secrets import redacted, remember
from t2vbatch.job.sections import Model
from t2vbatch.job.validation import ValueProblem, problems, unknown_paths, wrong_paths
from t2vbatch.job.yaml_source import Document, dotted, read_document
from t2vbatch.job.yaml_syntax import Path as KeyPath

OF_MANIFEST = ("allow_paths", "on_bad_row", "columns", "media", "limits")
"""Keys of a job that say how its manifest is read."""


_REMOTE = re.compile(r"(https?|s3|gs|az):/+")


@dataclass(frozen=True)
class Draft:
    """A job as far as it can be read.

    Attributes:
        job: the job without its wrong keys. Optional keys have their default instead; a model, a distance or
            an expected value is left out as a whole. ``manifest`` and ``output`` may be empty.
        problems: each problem, with its place.
        wrong: the paths of wrong or missing keys.
        all_models: no model is left out.
    """

    job: Job
    problems: tuple[UsageError, ...] = ()
    wrong: frozenset[KeyPath] = frozenset()
    all_models: bool = True

    def is_valid(self, *keys: str) -> bool:
        """Whether these top-level keys and everything below them are as the user wrote them."""
        return all(path[0] not in keys for path in self.wrong)

    def checked(self) -> Job:
        """The job. Raises the problems, if there are any."""
        found = ErrorCollector()
        for problem in self.problems:
            found.add(problem)
        found.raise_if_any()
        return self.job


def load_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """Read a job file, apply ``key.path=value`` overrides, fill in defaults, make paths absolute.

    Raises:
        JobError: with every problem: file, line and key, what was found, what was expected, what to do.
    """
    return load_draft(path, overrides).checked()


def load_draft(path: str | Path, overrides: Sequence[str] = ()) -> Draft:
    """Read a job file like ``load_job``, and keep the valid parts of a job with problems.

    Raises:
        JobError: the file cannot be read, or is not a YAML mapping.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if uri := _REMOTE.match(str(path)):  # A Path has one slash, although the user wrote two.
            where = f"{uri[1]}://{str(path)[uri.end() :]}"
            raise JobError(where, "a URI", "a local job file", "download it and name the copy") from None
        raise JobError(str(path), "no such file", "a job file", "see jobs/ for examples") from None
    except IsADirectoryError:
        inside = file / "job.yaml"
        fix = f"the job of this output is {inside}" if inside.is_file() else ""
        raise JobError(str(path), "a folder", "a job file (YAML)", fix) from None
    except UnicodeDecodeError:
        raise JobError(str(path), "a file that is not text in UTF-8", "a YAML file") from None
    except (OSError, ValueError) as error:
        raise JobError(str(path), f"a file that cannot be read ({error})", "a YAML file") from error
    draft = parse_draft(text, str(path), overrides)
    problems = ErrorCollector(draft.problems)
    job, wrong = located(draft.job, file.absolute().parent, problems)
    return replace(draft, job=job, problems=problems.errors, wrong=draft.wrong | wrong)


def parse_job(text: str, where: str, overrides: Sequence[str] = ()) -> Job:
    """The job in a YAML text, with its paths unchanged. Raises JobError, which names ``where``."""
    return parse_draft(text, where, overrides).checked()


def parse_draft(text: str, where: str, overrides: Sequence[str] = ()) -> Draft:
    """The job in a YAML text as far as it is valid, with its paths unchanged. Raises JobError."""
    syntax = ErrorCollector()
    data, document = read_document(text, where, overrides, syntax)
    return _draft(data, document, syntax.errors)


def parse_known_keys(text: str, where: str) -> tuple[Job, list[str]]:
    """The job in a YAML text without the keys that this version does not know, and these keys.

    Raises:
        JobError: another problem of the job, which names ``where``.
    """
    syntax = ErrorCollector()
    data, document = read_document(text, where, (), syntax)
    unknown = _unknown_keys(data)
    for path in unknown:
        _leave_out(data, path)
    return _draft(data, document, syntax.errors).checked(), [dotted(path) for path in unknown]


def _unknown_keys(data: Mapping[str, Any]) -> list[KeyPath]:
    try:
        Job.model_validate(data)
    except ValidationError as error:
        return unknown_paths(error, data)
    return []


def _draft(data: dict[str, Any], document: Document, syntax: Sequence[UsageError]) -> Draft:
    """The job in this data as far as it is valid, with the problems of its text and its values."""
    found = dict(_invented_models(data, document))
    for path, name in unset_references(data, os.environ):
        expected, fix = "an environment variable", f"export {name}=..."
        found.setdefault(
            path, JobError(document.where(path), f"${{{name}}}, which is not set", expected, fix)
        )
    variables = values_of(data, os.environ)
    remember(variables)
    values = _resolved(data, variables)
    job, invalid, wrong = _validated(values, {*found, *document.refused} - {()})
    for path, problem in invalid.items():
        if path not in document.refused:
            shown = redacted(problem.found, variables)
            located_problem = JobError(document.where(path), shown, problem.expected, problem.fix)
            found.setdefault(path, located_problem)
    everything = ErrorCollector(syntax)
    for path in sorted(found, key=document.order):
        everything.add(found[path])
    job._variables.update(variables)
    job._document = document
    models = values.get("models")
    all_models = isinstance(models, Mapping) and models.keys() == job.models.keys()
    return Draft(job, everything.errors, wrong, all_models)


def _invented_models(data: dict[str, Any], document: Document) -> Iterator[tuple[KeyPath, JobError]]:
    """Remove models that a misspelt ``--set models.NAME.KEY=...`` created: a new model needs a path."""
    models = data.get("models")
    written = [path[1] for path in document.places if path[0] == "models" and len(path) == 2]
    for path, option in document.options.items():
        match path:
            case ("models", str(name), _, *_) if written and name not in written:
                made = models.get(name) if isinstance(models, dict) else None
                if isinstance(made, dict) and "path" not in made:
                    del data["models"][name]
                    fix = f"to add a model, give it a path too: --set models.{name}.path=..."
                    found = f"no model {name!r} in {document.name}"
                    near = nearest(name, [str(known) for known in written])
                    yield path, JobError(option, found, near, fix)


def _resolved(data: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """The job with all references resolved, except those in calls."""
    values, written = resolved(data, variables), data.get("models")
    for name, model in written.items() if isinstance(written, Mapping) else ():
        if isinstance(model, Mapping) and "call" in model:
            values["models"][name]["call"] = model["call"]
    return values


_INDEPENDENT = frozenset({"dtype", "fps", "batch", "fit", "background", "retry_degenerate"})
"""Keys of a model that no check of its other keys depends on."""

_PLACEHOLDERS = {"manifest": "", "output": "", "models": {"-": {"path": ""}}}
"""Values of required keys that are wrong or missing."""


def _validated(
    values: Mapping[str, Any], wrong: Collection[KeyPath]
) -> tuple[Job, Mapping[KeyPath, ValueProblem], frozenset[KeyPath]]:
    """The job without its wrong keys, the problems that it has, and the paths of all wrong keys.

    Args:
        wrong: the paths that are known to be wrong.
    """
    try:
        job = Job.model_validate(values)
    except ValidationError as error:
        found, wrong = problems(error, Job, values), {*wrong, *wrong_paths(error, Job, values)}
    else:
        found = {}
        if not wrong:
            return job, found, frozenset()
    kept = copy.deepcopy(dict(values))
    for path in wrong:
        _leave_out(kept, _part(path))
    while True:
        given = {key: value for key, value in kept.items() if value or key != "models"}
        try:
            job = Job.model_validate(_PLACEHOLDERS | given)
        except ValidationError as error:
            # A key that was valid only beside one that is left out.
            for path in wrong_paths(error, Job, given):
                wrong = {*wrong, path[:1]}
                _leave_out(kept, path[:1])
        else:
            models = job.models if "models" in given else {}
            return job.model_copy(update={"models": models}), found, frozenset(wrong)


def _leave_out(values: dict[str, Any], path: KeyPath) -> None:
    *sections, last = path
    place: Any = values
    for section in sections:
        place = place.get(section) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.pop(last, None)


def _part(path: KeyPath) -> KeyPath:
    """The smallest part around a wrong key without which the rest of the job means the same."""
    match path:
        case ("models", _, key, *_) if key in _INDEPENDENT or key not in Model.model_fields:
            return path[:3]
        case ("models" | "distances" | "expected", _, *_):
            return path[:2]
        case _:
            return path[:1]
