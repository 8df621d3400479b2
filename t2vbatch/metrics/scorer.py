"""Scores videos one at a time with all metrics of a job. Each worker holds one scorer."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite

from PIL import Image

from t2vbatch.job import Job
from t2vbatch.job.secrets import redacted_value
from t2vbatch.media.video import Video
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import Evidence, Metric, Network, RowInputs, UnscorableError, Weights
from t2vbatch.metrics.registry import job_metrics
from t2vbatch.models.determinism import own_random_state
from t2vbatch.models.pins import using_pins

_RAISED = re.compile(r"[A-Z]\w*(Error|Exception|Exit|Interrupt): ")


@dataclass(frozen=True)
class Scores:
    """The scores of one video by all metrics.

    Attributes:
        values: column: value, None if the metric could not compute it.
        errors: column: reason, for exactly the columns whose value is None.
        prompt_tokens: number of tokens of the prompt by the scorer's tokenizer; None if no metric reads it.
        prompt_truncated: whether the scorer dropped tokens of the prompt.
        scored_by: column: the digest of what decided its value, see ``metrics.identity``.
    """

    values: Mapping[str, float | None]
    errors: Mapping[str, str]
    prompt_tokens: int | None
    prompt_truncated: bool | None
    scored_by: Mapping[str, str] = field(default_factory=dict)


class Scorer:
    """Loaded metrics. The scores of a video depend only on that video, its prompt and its image.

    Args:
        identities: column: digest, see ``metrics.identity``.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        networks: Mapping[Weights, Network],
        identities: Mapping[str, str] | None = None,
    ) -> None:
        self.metrics, self._networks, self._identities = metrics, networks, dict(identities or {})
        self._one_at_a_time = threading.Lock()

    @property
    def columns(self) -> tuple[str, ...]:
        """The score columns, in order."""
        return tuple(column for metric in self.metrics.values() for column in metric.columns)

    @property
    def draws(self) -> bool:
        """Whether a metric may draw from the global random numbers, which a generating model may use too."""
        return any(_draws(metric) for metric in self.metrics.values())

    @property
    def needs_audio(self) -> bool:
        """Whether a metric reads the sound of a video."""
        return any(getattr(metric, "needs_audio", False) for metric in self.metrics.values())

    @property
    def needs_images(self) -> bool:
        """Whether a metric reads the last image of a row."""
        return any(getattr(metric, "needs_images", False) for metric in self.metrics.values())

    def score(
        self,
        video: Video,
        prompt: str | None = None,
        image: Image.Image | None = None,
        row: RowInputs | None = None,
    ) -> Scores:
        """Score one decoded video. A metric that fails does not raise; its reason is in ``errors``.

        Threads that call at the same time wait for one another: neither tokenizers nor a plug-in's metric
        need to be safe for threads.
        """
        with self._one_at_a_time, self._random_state(video):
            return self._score(Evidence(video, prompt, image, self._networks, row))

    @contextmanager
    def _random_state(self, video: Video) -> Iterator[None]:
        """A state of its own for metrics that may draw, which depends on the video alone."""
        if not self.draws:
            yield
            return
        with own_random_state(int(video.sha256()[:15], 16)):
            yield

    def _score(self, evidence: Evidence) -> Scores:
        values: dict[str, float | None] = {}
        errors: dict[str, str] = {}
        for metric in self.metrics.values():
            found, why = _attempt(metric, evidence)
            values |= found
            errors |= why
        if not evidence.readings:
            return Scores(values, redacted_value(errors), None, None, self._identities)
        reading = evidence.readings[0]
        return Scores(values, redacted_value(errors), reading.tokens, reading.truncated, self._identities)


def load_metrics(job: Job, device: str = "cpu") -> Scorer:
    """Load every network that the job's metrics use, each once.

    Raises:
        MetricError: the reasons of ``check_metrics``, or broken weights.
    """
    metrics = job_metrics(job)
    needed = dict.fromkeys(weights for metric in metrics.values() for weights in metric.weights)
    with using_pins(job.pins):
        networks = {weights: load_network(weights, device) for weights in needed}
    return Scorer(metrics, networks, score_identities(job))


def _draws(metric: Metric) -> bool:
    """Our own metrics draw no random numbers; a plug-in's may, and so may a TorchScript network."""
    own = type(metric).__module__.startswith("t2vbatch.")
    scripted = any(weights.kind == "torchscript" for weights in metric.weights)
    return scripted or bool(getattr(metric, "DRAWS", not own))


def is_lost(reason: str) -> bool:
    """Whether a score is missing because an exception was raised, so that computing it again may give one."""
    return _RAISED.match(reason) is not None


def _attempt(metric: Metric, evidence: Evidence) -> tuple[dict[str, float | None], dict[str, str]]:
    """The values of a metric's columns, and the reason for each column without a value."""
    try:
        found = metric.score(evidence)
    except UnscorableError as error:
        return _none(metric, str(error))
    except Exception as error:
        # A bug in a plug-in, or a device out of memory, loses this score and keeps the video.
        return _none(metric, f"{type(error).__name__}: {error}")
    values = {column: float(found[column]) if column in found else None for column in metric.columns}
    errors = {
        name: "the metric gave no value" if value is None else f"the metric returned {value}"
        for name, value in values.items()
        if value is None or not isfinite(value)
    }
    return {name: None if name in errors else value for name, value in values.items()}, errors


def _none(metric: Metric, reason: str) -> tuple[dict[str, float | None], dict[str, str]]:
    return dict.fromkeys(metric.columns, None), dict.fromkeys(metric.columns, reason)
