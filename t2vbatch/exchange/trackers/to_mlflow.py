"""MLflow. Server and account come from its own variables, such as ``MLFLOW_TRACKING_URI``.

Without one, the run is kept in files in ``mlruns/`` beside the output: MLflow's own default is a database,
which the package ``mlflow-skinny`` cannot open.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from t2vbatch.exchange.trackers.entry import Entry

_TAG = "t2vbatch.id"
_TABLE = "samples.json"
_NAMEABLE = re.compile(r"[^\w\-. :/]", re.ASCII)
"""Characters that the name of a metric or a parameter may not contain."""

_MARKUP = re.compile(r"[\\`*_{}\[\]<>()#+!|~-]")
"""Markdown's special characters: a description is Markdown, a prompt is plain text."""

_LONGEST = 250
"""Most characters of a name."""

_BATCH = 100
"""Most parameters of one call."""


def send(entry: Entry) -> str:
    """Write the entry as a run; returns its address."""
    # A client, not mlflow.start_run, which would change a run that a notebook has open in this process.
    client = _client(entry)
    run_id = _run(client, entry)
    _log(client, run_id, entry)
    # MLflow's own log_table would append to an earlier table.
    entry.samples.to_pandas().to_json(entry.folder / _TABLE, orient="split", index=False, date_format="iso")
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": _TABLE, "type": "table"}]))
    client.set_tag(run_id, "mlflow.note.content", "\n".join(_captions(entry)))
    client.log_artifacts(run_id, str(entry.folder))
    client.set_terminated(run_id)
    return _address(client, run_id)


def _client(entry: Entry) -> Any:
    import mlflow

    if mlflow.is_tracking_uri_set():
        return mlflow.MlflowClient()
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # MLflow 3 refuses its own files without it.
    return mlflow.MlflowClient((entry.home / "mlruns").as_uri())


def _run(client: Any, entry: Entry) -> str:
    """The existing run of this output, or a new one."""
    found = client.get_experiment_by_name(entry.project)
    experiment = found.experiment_id if found else client.create_experiment(entry.project)
    runs = client.search_runs([experiment], f"tags.`{_TAG}` = '{entry.id}'", max_results=1)
    run = runs[0] if runs else client.create_run(experiment, run_name=entry.name, tags={_TAG: entry.id})
    return str(run.info.run_id)


def _log(client: Any, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    for part in _batches([Metric(_name(name), value, now, 0) for name, value in entry.numbers.items()]):
        client.log_batch(run_id, metrics=part)
    for part in _batches([Param(_name(name), str(value)) for name, value in _flat(entry.settings, ())]):
        client.log_batch(run_id, params=part)


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """``models.wan.call.num_frames``: value, for every value that is not null."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, (*path, name))
    elif value is not None:
        yield ".".join(path), value


def _name(name: str) -> str:
    return _NAMEABLE.sub("_", name)[:_LONGEST]


def _captions(entry: Entry) -> Iterator[str]:
    """The captions for the run's description: MLflow shows files without captions."""
    for video in entry.videos:
        where = video.path.relative_to(entry.folder).as_posix()
        yield f"- `{where}`: {_MARKUP.sub(lambda found: chr(92) + found[0], video.caption)}"


def _address(client: Any, run_id: str) -> str:
    """The page of the run on a server; without a server the folder of its files."""
    uri, run = client.tracking_uri, client.get_run(run_id)
    if not uri.startswith("http"):
        return str(run.info.artifact_uri)
    return f"{uri.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run_id}"
