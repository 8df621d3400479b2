"""Computes the features of videos with the workers and the engine of a run. One unit is one video.

The features stay in ``features/`` until all are computed, so an interrupted measurement continues where it
stopped. They are then read in a fixed order, so the sums do not depend on which worker computed what.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from t2vbatch.analysis.distance.kinds import KINDS, resized
from t2vbatch.analysis.distance.spec import DistanceSpec
from t2vbatch.engines import Ending, Engine, Progress, RunCallbacks
from t2vbatch.errors import EncodeError
from t2vbatch.job import Distance, Job
from t2vbatch.media.video import decode
from t2vbatch.metrics.protocol import FloatArray, Network, UnscorableError, Weights
from t2vbatch.output.empty_folders import clear_folder
from t2vbatch.output.store import Store
from t2vbatch.plan import Unit
from t2vbatch.worker.protocol import Factory, Outcome, Work

_FOLDER = "features"
_READERS = 16
"""Parallel reads: an object store needs tens of milliseconds for each of the many small files."""
_AHEAD = 256

Found = FloatArray | str
"""The features of a video, shape (N, D), or the reason why it has none."""


@dataclass(frozen=True)
class VideoRef:
    """A video of the run or of the reference.

    Attributes:
        folder: path or URI of the folder that contains the video ``name``.
        key: the key of its features; equal content has an equal key.
    """

    folder: str
    name: str
    key: str


@dataclass(frozen=True)
class FeatureCache:
    """Stores features until the measurement. ``about`` identifies the backbone and the choice of frames."""

    store: Store
    about: str

    def keep(self, key: str, found: Found) -> None:
        """Store features as float32, the precision of the networks, or a reason as text."""
        sink = io.BytesIO()
        np.save(sink, np.array(found, str if isinstance(found, str) else np.float32))
        self.store.folder.write(self._name(key), sink.getvalue())

    def has(self, key: str) -> bool:
        """Whether features or a reason are stored for the key."""
        return self.store.folder.size(self._name(key)) is not None

    def keys(self) -> set[str]:
        """All stored keys."""
        names = self.store.folder.names(f"{_FOLDER}/{self.about}")
        return {name.rpartition("/")[2].removesuffix(".npy") for name in names}

    def read(self, keys: Sequence[str]) -> Iterator[Found]:
        """The stored features or reasons, in the order of the keys."""
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(keys), _AHEAD):
                yield from pool.map(self._read, keys[start : start + _AHEAD])

    def _read(self, key: str) -> Found:
        found = np.load(io.BytesIO(self.store.folder.read(self._name(key))), allow_pickle=False)
        return str(found) if found.dtype.kind == "U" else found.astype(np.float64)

    def _name(self, key: str) -> str:
        return f"{_FOLDER}/{self.about}/{key}.npy"


def clear_features(store: Store) -> None:
    """Delete all features after the measurement."""
    clear_folder(store, _FOLDER)


def extract(
    videos: Sequence[VideoRef],
    spec: DistanceSpec,
    cache: FeatureCache,
    job: Job,
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None],
) -> Ending:
    """Compute the features of all videos that are not in the cache yet."""
    stored = cache.keys()
    missing = list({video.key: video for video in videos if video.key not in stored}.values())
    if not missing:
        return "finished"
    units = {_FOLDER: [Unit(_FOLDER, (position,), 1.0) for position in range(len(missing))]}
    factories: dict[str, Factory[VideoRef]] = {
        _FOLDER: ExtractorFactory(spec.asked, spec.weights, cache, job.workers.cpus)
    }
    callbacks = RunCallbacks(
        payload=lambda position: missing[position],
        committed=lambda position: "ok" if cache.has(missing[position].key) else None,
        quarantine=lambda position, attempts, failure: cache.keep(
            missing[position].key, f"{failure.error_type}: {failure.error}"
        ),
        progress=watch,
    )
    return engine(job).run(units, job, factories, callbacks)


@dataclass(frozen=True)
class ExtractorFactory:
    """Starts a worker that computes features; small and picklable."""

    asked: Distance
    weights: Weights
    cache: FeatureCache
    threads: int

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "Extractor":
        """Load the backbone; see Factory."""
        # Imported here, in the worker's process: the driver needs no torch, which takes seconds to import.
        from t2vbatch.metrics.networks import load_network
        from t2vbatch.models import set_up_torch

        set_up_torch(self.threads)
        return Extractor(self.asked, load_network(self.weights, device), self.cache)


class Extractor:
    """Computes features one video at a time, so no video depends on its neighbours."""

    def __init__(self, asked: Distance, network: Network, cache: FeatureCache) -> None:
        self._asked, self._network, self._cache = asked, network, cache
        self._found: dict[int, tuple[Work[VideoRef], list[Found]]] = {}

    def generate(self, work: Work[VideoRef]) -> None:
        """Compute the features of the unit's videos."""
        self._found[work.key] = work, [self._features(video) for video in work.payloads]

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Store the features that ``generate`` computed."""
        work, found = self._found.pop(key)
        for video, one in zip(work.payloads, found, strict=True):
            self._cache.keep(video.key, one)
        return tuple(Outcome(position, "ok") for position in work.positions)

    def _features(self, video: VideoRef) -> Found:
        kind = KINDS[self._asked.kind]
        try:
            with Store(video.folder).video(video.name) as path:
                frames = kind.chosen(decode(path).frames, self._asked, video.key)
        except UnscorableError as error:
            return str(error)
        except (EncodeError, FileNotFoundError):
            return "cannot be decoded"
        features = kind.features(self._network, resized(frames, self._asked.size))
        return (
            features if np.isfinite(features).all() else "the backbone returned features that are not finite"
        )
