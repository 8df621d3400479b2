"""A measured distance with its sample sizes and notes, stored in the output's ``distances.json``."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import StoreError
from t2vbatch.output.store import Store

ENOUGH_VIDEOS = 2048
"""Below this number a distance has a warning; published values use 2,048 (FVD) to 50,000 (FID) videos."""

_FILE = "distances.json"


@dataclass(frozen=True)
class Measured:
    """The distance of one model's videos to one reference set.

    Attributes:
        name: the name of the distance in the job.
        value: the distance, 0 and up, lower is closer; None if it could not be measured (see ``reason``).
        extrapolated: the distance without the bias of few videos, below ENOUGH_VIDEOS videos; None above
            that, or if there are too few videos to extrapolate, which a note says.
        videos: number of videos measured; they gave ``features`` vectors of ``dims`` dimensions.
        left_out: reason: number of videos with status ok that were left out.
        reference: the reference in the job; ``reference_videos`` of its videos were measured.
        backbone: the backbone in the job; ``backbone_sha256`` is the digest of its weights.
        frames, stride, size, start, divisor: the keys of the job.
        notes: warnings about this number.
        asked, videos_sha256: digests of the distance's specification and of the videos.
    """

    name: str
    kind: Literal["fvd", "fid"]
    model: str
    value: float | None
    reason: str | None
    extrapolated: float | None
    videos: int
    features: int
    dims: int
    left_out: Mapping[str, int]
    reference: str
    reference_videos: int
    backbone: str
    backbone_sha256: str
    frames: int
    stride: int
    size: int | None
    notes: tuple[str, ...]
    asked: str
    videos_sha256: str
    start: Literal["first", "random"] = "first"
    divisor: Literal["n-1", "n"] = "n-1"

    @property
    def convention(self) -> str:
        """Which frames of each video the backbone encoded, in words."""
        step = "" if self.stride == 1 else f", stride {self.stride}"
        spread = f"{self.frames} frames, spread evenly"
        clip = f"{self.frames} frames{step}" + (" from a random one" if self.start == "random" else "")
        which = (clip if self.start == "random" else f"first {clip}") if self.kind == "fvd" else spread
        how = "resized by the backbone" if self.size is None else f"resized to {self.size}x{self.size}"
        return f"{which}, {how}" + (", covariances divided by n" if self.divisor == "n" else "")


def ok_videos(results: pa.Table, model: str) -> pa.Table:
    """The columns video_sha256 and video of a model's ok videos, in the order of the results."""
    wanted = pc.and_(pc.equal(results["model"], model), pc.equal(results["status"], "ok"))
    return results.select(["video_sha256", "video"]).filter(wanted)


def videos_digest(results: pa.Table, model: str) -> str:
    """Digest of a model's ok videos, in the order of the results."""
    videos = ok_videos(results, model)["video_sha256"].to_pylist()
    return hashlib.sha256("\n".join(videos).encode()).hexdigest()


def read_distances(store: Store) -> tuple[Measured, ...]:
    """All distances stored in this output. Raises StoreError if their file is damaged."""
    try:
        found = store.read_json(_FILE)
        read = tuple(Measured(**{**one, "notes": tuple(one["notes"])}) for one in found)
        if not all(isinstance(one.model, str) and isinstance(one.name, str) for one in read):
            raise TypeError("a name is not a text")
    except FileNotFoundError:
        return ()
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"{store.uri}/{_FILE} was written by another version ({error}); delete it and measure again"
        ) from error
    return read


def write_distances(store: Store, distances: tuple[Measured, ...]) -> None:
    """Replace all stored distances."""
    store.write_json(_FILE, [asdict(one) for one in distances])


def valid_distances(store: Store, results: pa.Table) -> tuple[Measured, ...]:
    """The stored distances that were measured on exactly the videos of these results."""
    stored = read_distances(store)
    now = {model: videos_digest(results, model) for model in {one.model for one in stored}}
    return tuple(one for one in stored if now[one.model] == one.videos_sha256)


def as_json(distances: tuple[Measured, ...]) -> dict[str, Any]:
    """Name: distance, as plain values, with ``convention``."""
    return {one.name: {**asdict(one), "convention": one.convention} for one in distances}
