"""Makes the paths of a job absolute."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vbatch.errors import ErrorCollector, JobError
from t2vbatch.job.job import Job
from t2vbatch.job.sections import Distance, Model
from t2vbatch.job.yaml_source import Document
from t2vbatch.job.yaml_syntax import Path as KeyPath
from t2vbatch.storage.files import expanded, local_path

_SINGLE_SLASH = re.compile(r"(s3|gs|az|https?):/?(?=[^/])")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)(?=/|$)")


def _meant(uri: str) -> str | None:
    """The URI or path that a text is a slip of: s3:/bucket for s3://bucket, $HOME for ${HOME}."""
    if _SINGLE_SLASH.match(uri):
        return _SINGLE_SLASH.sub(r"\1://", uri, count=1)
    return _VARIABLE.sub(r"${\1}", uri) if _VARIABLE.match(uri) else None


class _Locator:
    """Makes paths absolute: from the folder of the job file, or from the working directory for ``--set``."""

    def __init__(self, document: Document, base: Path, problems: ErrorCollector) -> None:
        self.wrong: set[KeyPath] = set()
        self._document, self._base, self._problems = document, base, problems

    def path(self, uri: str, *key: str | int) -> str:
        """A path or URI that is one for certain, such as the manifest."""
        if "\0" in uri:
            self._refuse(key, repr(uri)[:60], "a path without the character NUL")
            return uri
        path = local_path(uri)
        if path is None:
            return uri
        found = (self._start(key) / expanded(path)).resolve()
        # A shell would read these as the user means them; here they would name a new folder.
        if (near := _meant(uri)) and not found.exists():
            self._refuse(key, uri, "a path or URI", f"write {near}, or ./{uri} for a local path of this name")
        return str(found)

    def _refuse(self, key: tuple[str | int, ...], *parts: str) -> None:
        self._problems.add(JobError(self._document.where(key), *parts))
        self.wrong.add(key)

    def model_path(self, uri: str, *key: str | int) -> str:
        """A path or a Hub id. A Hub id looks like a relative path; if such a folder exists, it is a path."""
        path = local_path(uri)
        if path is None or uri.startswith("bundled:"):
            return uri
        explicit = uri.startswith((".", "/", "~"))
        return self.path(uri, *key) if explicit or (self._start(key) / path).exists() else uri

    def part(self, section: Mapping[str, Any], *key: str | int) -> dict[str, Any]:
        """A model, component or LoRA, with its ``path`` and ``config`` located."""
        found = {
            name: self.model_path(section[name], *key, name)
            for name in ("path", "config")
            if isinstance(section.get(name), str)
        }
        return {**section, **found}

    def _start(self, key: tuple[str | int, ...]) -> Path:
        return Path.cwd() if self._document.is_option(key) else self._base


def located(job: Job, base: Path, problems: ErrorCollector) -> tuple[Job, frozenset[KeyPath]]:
    """The job with absolute paths, and the keys whose path cannot be one.

    Args:
        base: the folder of the job file.
        problems: gets the problems of those keys.
    """
    locate = _Locator(job._document, base, problems)

    def located_model(name: str, model: Model) -> Model:
        key = ("models", name)
        parts = {
            part: section and locate.part(section, *key, "components", part)
            for part, section in model.components.items()
        }
        loras = [locate.part(lora, *key, "loras", index) for index, lora in enumerate(model.loras)]
        adapter = model.ip_adapter and locate.part(model.ip_adapter, *key, "ip_adapter")
        own = locate.part({"path": model.path, "config": model.config}, *key)
        found = {**own, "components": parts, "loras": loras, "ip_adapter": adapter}
        return model.model_copy(update=found)

    def located_distance(name: str, distance: Distance) -> Distance:
        key = ("distances", name)
        reference = locate.path(distance.reference, *key, "reference")
        backbone = locate.model_path(distance.backbone, *key, "backbone")
        return distance.model_copy(update={"reference": reference, "backbone": backbone})

    clip = job.clip and job.clip.model_copy(update={"path": locate.model_path(job.clip.path, "clip", "path")})
    update = {
        "manifest": locate.path(job.manifest, "manifest"),
        "output": locate.path(job.output, "output"),
        "models": {name: located_model(name, model) for name, model in job.models.items()},
        "distances": {name: located_distance(name, one) for name, one in job.distances.items()},
        "clip": clip,
    }
    return job.model_copy(update=update), frozenset(locate.wrong)
