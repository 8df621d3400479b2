"""Features of videos, by the same workers and engine as a run's: a unit is one video.

They wait in ``features/`` until all are there, so that what was cut off goes on where it was. Afterwards they
are read back in one order, which makes the sums the same whoever computed what.
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
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import FloatArray, Network, UnscorableError, Weights
from t2vbatch.models import set_up_torch
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Unit
from t2vbatch.worker.protocol import Factory, Outcome, Work

_FOLDER = "features"
_READERS = 16
"""An object store answers in tens of milliseconds, and a distance reads a small file a video."""
_AHEAD = 256

Found = FloatArray | str
"""The features of a video, shape (N, D); or why it has none."""


@dataclass(frozen=True)
class VideoRef:
    """A video to look at, of the run or of the reference.

    Attributes:
        folder: path or URI of the folder that it is in, by ``name``.
        key: names its features; equal for equal content.
    """

    folder: str
    name: str
    key: str


@dataclass(frozen=True)
class FeatureCache:
    """Where features wait. ``about`` names what computed them: others' are not taken for these."""

    store: Store
    about: str

    def keep(self, key: str, found: Found) -> None:
        """Write what was found: numbers as float32, which is what networks give, or a text."""
        sink = io.BytesIO()
        np.save(sink, np.array(found, str if isinstance(found, str) else np.float32))
        self.store.folder.write(self._name(key), sink.getvalue())

    def has(self, key: str) -> bool:
        """Whether something was found for it."""
        return self.store.folder.size(self._name(key)) is not None

    def keys(self) -> set[str]:
        """Of all that was found."""
        names = self.store.folder.names(f"{_FOLDER}/{self.about}")
        return {name.rpartition("/")[2].removesuffix(".npy") for name in names}

    def read(self, keys: Sequence[str]) -> Iterator[Found]:
        """What was found, in the order of the keys."""
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(keys), _AHEAD):
                yield from pool.map(self._read, keys[start : start + _AHEAD])

    def _read(self, key: str) -> Found:
        found = np.load(io.BytesIO(self.store.folder.read(self._name(key))), allow_pickle=False)
        return str(found) if found.dtype.kind == "U" else found.astype(np.float64)

    def _name(self, key: str) -> str:
        return f"{_FOLDER}/{self.about}/{key}.npy"


def clear_features(store: Store) -> None:
    """Delete all features: what they were for is measured."""
    for name in list(store.folder.names(_FOLDER)):
        store.folder.delete(name)


def extract(
    films: Sequence[VideoRef],
    question: DistanceSpec,
    keeper: FeatureCache,
    job: Job,
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None],
) -> Ending:
    """Find the features of all films, or why they have none; those that are found already are kept."""
    there = keeper.keys()
    missing = list({film.key: film for film in films if film.key not in there}.values())
    if not missing:
        return "finished"
    units = {_FOLDER: [Unit(_FOLDER, (position,), 1.0) for position in range(len(missing))]}
    factories: dict[str, Factory[VideoRef]] = {
        _FOLDER: ExtractorFactory(question.asked, question.weights, keeper, job.workers.cpus)
    }
    callbacks = RunCallbacks(
        payload=lambda position: missing[position],
        committed=lambda position: "ok" if keeper.has(missing[position].key) else None,
        quarantine=lambda position, attempts, failure: keeper.keep(
            missing[position].key, f"{failure.error_type}: {failure.error}"
        ),
        progress=watch,
    )
    return engine(job).run(units, job, factories, callbacks)


@dataclass(frozen=True)
class ExtractorFactory:
    """All that it takes to start a worker that looks at videos; small, and picklable."""

    asked: Distance
    weights: Weights
    keeper: FeatureCache
    threads: int

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "Extractor":
        """Load the backbone; see Factory."""
        set_up_torch(self.threads)
        return Extractor(self.asked, load_network(self.weights, device), self.keeper)


class Extractor:
    """Turns videos into features, one at a time, so that none depends on its neighbours."""

    def __init__(self, asked: Distance, network: Network, keeper: FeatureCache) -> None:
        self._asked, self._network, self._keeper = asked, network, keeper
        self._found: dict[int, tuple[Work[VideoRef], list[Found]]] = {}

    def generate(self, work: Work[VideoRef]) -> None:
        """Look at the videos of the unit."""
        self._found[work.key] = work, [self._features(video) for video in work.payloads]

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Keep what ``generate`` found."""
        work, found = self._found.pop(key)
        for video, one in zip(work.payloads, found, strict=True):
            self._keeper.keep(video.key, one)
        return tuple(Outcome(position, "ok") for position in work.positions)

    def _features(self, video: VideoRef) -> Found:
        kind = KINDS[self._asked.kind]
        try:
            with open_store(video.folder).video(video.name) as path:
                frames = kind.chosen(decode(path).frames, self._asked)
        except UnscorableError as error:
            return str(error)
        except (EncodeError, FileNotFoundError):
            return "cannot be decoded"
        features = kind.features(self._network, resized(frames, self._asked.size))
        return features if np.isfinite(features).all() else "features that are not finite"
