"""Makes the paths of a job absolute."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vbatch.errors import ErrorCollector, JobError
from t2vbatch.job.job import Job
from t2vbatch.job.sections import Distance, Model
from t2vbatch.job.yaml_source import Document
from t2vbatch.job.yaml_syntax import Path as KeyPath
from t2vbatch.storage.files import expanded, local_path


class _Locator:
    """Makes paths absolute: from the folder of the job file, or from the working directory for ``--set``."""

    def __init__(self, document: Document, base: Path, problems: ErrorCollector) -> None:
        self.wrong: set[KeyPath] = set()
        self._document, self._base, self._problems = document, base, problems

    def path(self, uri: str, *key: str | int) -> str:
        """A path or URI that is one for certain, such as the manifest."""
        if "\0" in uri:
            where, found = self._document.where(key), repr(uri)[:60]
            self._problems.add(JobError(where, found, "a path without the character NUL"))
            self.wrong.add(key)
            return uri
        path = local_path(uri)
        return uri if path is None else str((self._start(key) / expanded(path)).resolve())

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
