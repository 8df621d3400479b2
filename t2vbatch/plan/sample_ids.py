"""What a sample's identity and seed are digests of.  [pure]

A plan has few models and few distinct calls, and each is digested once. A row is digested once for all
models. The identity of a sample is the digest of these three digests and its seed in fixed width, so a
million samples take seconds. ``VERSION`` changes when the identity of an unchanged sample would.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import canonical

VERSION = 2

Digests = npt.NDArray[np.uint8]
"""One SHA-256 a line, shape (N, 32)."""

_PREFIX = f"t2vbatch sample {VERSION}\n".encode()
_AT_ONCE = 65_536


def derive_seed(job_seed: int, row_id: str, sample_index: int) -> int:
    """The seed of a sample: the same for every model, so that models are compared on equal noise. 63 bits."""
    first = hashlib.sha256(canonical([job_seed, row_id, sample_index])).digest()[:8]
    return int.from_bytes(first, "big") >> 1


def derive_seeds(
    job_seed: int, row_ids: pa.ChunkedArray, samples: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """``derive_seed`` of every row and sample index, in this order; shape (sum of ``samples``,).

    Args:
        samples: the number of each row's samples, shape (rows,).
    """
    # The canonical form of the three values: an id has no control characters, so JSON escapes these two only.
    ids = row_ids.cast(pa.large_string())
    escaped = pc.replace_substring(pc.replace_substring(ids, "\\", "\\\\"), '"', '\\"')
    starts = np.cumsum(samples) - samples
    seeds = np.empty(int(samples.sum()), np.int64)
    for index in range(int(samples.max(initial=0))):
        rows = np.flatnonzero(samples > index)
        texts = _joined(f'[{job_seed},"', escaped.take(pa.array(rows)), f'",{index}]')
        first = np.ascontiguousarray(_sha256(texts)[:, :8])
        seeds[starts[rows] + index] = (first.view(">u8").ravel() >> np.uint64(1)).astype(np.int64)
    return seeds


def row_digests(
    prompts: pa.ChunkedArray, negative_prompts: pa.ChunkedArray, media: Sequence[Mapping[str, str]] | None
) -> Digests:
    """The digest of each row's content.

    Args:
        media: for each row, the digest of the bytes in each media column; None if no row has media.
    """
    return _sha256(_joined(_framed(prompts), _framed(negative_prompts)), media)


def sample_ids(
    models: Digests, calls: Digests, rows: Digests, seeds: npt.NDArray[np.int64]
) -> pa.ChunkedArray:
    """The identity of every sample, as 64 hexadecimal digits; all arguments have one line per sample."""
    chunks = []
    for start in range(0, len(seeds), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        seed = seeds[part].astype(">i8").view(np.uint8).reshape(-1, 8)
        lines = np.concatenate([models[part], calls[part], rows[part], seed], axis=1)
        data, width = lines.tobytes(), lines.shape[1]
        hashed = hashlib.sha256(_PREFIX)
        chunks.append(pa.array([_hex(hashed, data[at : at + width]) for at in range(0, len(data), width)]))
    return pa.chunked_array(chunks, pa.string())


def as_digests(digests: Iterable[str]) -> Digests:
    """Digests from their hexadecimal form."""
    return np.frombuffer(b"".join(bytes.fromhex(digest) for digest in digests), np.uint8).reshape(-1, 32)


def _hex(prefix: "hashlib._Hash", data: bytes) -> str:
    hashed = prefix.copy()
    hashed.update(data)
    return hashed.hexdigest()


def _sha256(texts: pa.ChunkedArray, media: Sequence[Mapping[str, str]] | None = None) -> Digests:
    """The digest of each text, followed by the row's media; few are Python objects at a time."""
    digests = bytearray()
    for start in range(0, len(texts), _AT_ONCE):
        part = texts.slice(start, _AT_ONCE).cast(pa.large_binary()).to_pylist()
        if media is not None:
            files = media[start : start + _AT_ONCE]
            part = [text + _media_text(of_row) for text, of_row in zip(part, files, strict=True)]
        digests += b"".join([hashlib.sha256(text).digest() for text in part])
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def _framed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each text with its length, so that two fields cannot be taken for two others; ``-`` for null."""
    length = pc.binary_length(texts.cast(pa.large_binary())).cast(pa.large_string())
    return pc.fill_null(_joined(length, ":", texts.cast(pa.large_string())), "-")


def _joined(*parts: pa.ChunkedArray | str) -> pa.ChunkedArray:
    """The parts of each line one after another; null if one of them is null."""
    typed = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*typed, pa.scalar("", pa.large_string()))


def _media_text(files: Mapping[str, str]) -> bytes:
    return "".join(f"{name}:{digest}" for name, digest in sorted(files.items())).encode()
