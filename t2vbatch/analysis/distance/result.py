"""A measured distance with all that belongs beside the number, and where it is kept: ``distances.json``."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import StoreError
from t2vbatch.output.store import Store

ENOUGH_VIDEOS = 2048
"""Under so many videos a distance comes with a warning: what is published takes 2,048 (FVD) to 50,000
(FID)."""

_FILE = "distances.json"


@dataclass(frozen=True)
class Measured:
    """One distance of one model's videos to one reference set.

    Attributes:
        name: of the distance in the job.
        value: the distance, from 0 up, lower is closer; None where there is none, and ``reason`` says why.
        extrapolated: the same without the bias of few videos, under ENOUGH_VIDEOS of them; None where it
            cannot be had, which the notes say, or is not needed.
        videos: that entered; ``features`` vectors came of them, of ``dims`` numbers each.
        left_out: reason: how many videos with status ok did not enter for it.
        reference: as the job names it; ``reference_videos`` entered.
        backbone: as the job names it; ``backbone_sha256`` is the digest of its weights.
        frames, stride, size: see the job's keys.
        notes: sentences without which the number misleads.
        asked, videos_sha256: digests of the question, and of the videos that it was asked of.
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

    @property
    def convention(self) -> str:
        """What the backbone saw of each video, in words."""
        step = "" if self.stride == 1 else f", 1 of {self.stride}"
        which = f"first {self.frames} frames{step}" if self.kind == "fvd" else f"{self.frames} frames, spread"
        how = "resized by the backbone alone" if self.size is None else f"resized to {self.size}x{self.size}"
        return f"{which}, {how}"


def ok_videos(results: pa.Table, model: str) -> pa.Table:
    """Digest and name of a model's videos, in the order of the results, as video_sha256 and video."""
    wanted = pc.and_(pc.equal(results["model"], model), pc.equal(results["status"], "ok"))
    return results.filter(wanted).select(["video_sha256", "video"])


def videos_digest(results: pa.Table, model: str) -> str:
    """Digest of the videos of a model with status ok, in the order of the results."""
    videos = ok_videos(results, model)["video_sha256"].to_pylist()
    return hashlib.sha256("\n".join(videos).encode()).hexdigest()


def read_distances(store: Store) -> tuple[Measured, ...]:
    """All distances that were measured here. Raises StoreError where their file is damaged."""
    try:
        found = store.read_json(_FILE)
        return tuple(Measured(**{**one, "notes": tuple(one["notes"])}) for one in found)
    except FileNotFoundError:
        return ()
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"{store.uri}/{_FILE} is of another version ({error}); delete it and run again"
        ) from error


def write_distances(store: Store, distances: tuple[Measured, ...]) -> None:
    """Put these in the place of all."""
    store.write_json(_FILE, [asdict(one) for one in distances])


def valid_distances(store: Store, results: pa.Table) -> tuple[Measured, ...]:
    """Those that are of the very videos that the results name: another video more, and they are not."""
    now: dict[str, str] = {}
    for model in results["model"].unique().to_pylist():
        now[model] = videos_digest(results, model)
    return tuple(one for one in read_distances(store) if now.get(one.model) == one.videos_sha256)


def as_json(distances: tuple[Measured, ...]) -> dict[str, Any]:
    """Name: distance, as plain values; ``notes`` and ``convention`` are the words that belong to it."""
    return {one.name: {**asdict(one), "convention": one.convention} for one in distances}
