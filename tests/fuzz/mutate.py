"""Changes of valid inputs."""

import random
from collections.abc import Iterable

Edit = tuple[float, int, bytes]
"""Where, as a share of the length; how many bytes are removed there; and what is put in their place."""


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The data after these edits, in order."""
    for share, removed, added in edits:
        at = int(share * len(data))
        data = data[:at] + added + data[at + removed :]
    return data


def random_edits(rng: random.Random, others: tuple[bytes, ...]) -> list[Edit]:
    """Edits that a fuzzer without coverage tries: other bytes, extreme numbers, pieces of other inputs."""
    edits: list[Edit] = []
    for _ in range(rng.randint(1, 5)):
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        piece = rng.choice(
            [rng.randbytes(rng.randint(0, 8)), rng.choice(_PIECES), other[start : start + rng.randint(0, 64)]]
        )
        removed = rng.choice([0, len(piece), rng.randint(0, 64)])
        edits.append((rng.random(), removed, piece))
    return edits


_PIECES = (
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0" * 8,
    b"9" * 30,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[" * 40,
    b"{}",
    b'"',
    b"\n",
    b"\r",
    b"\t",
    b"&a *a",
    b"!!python/name:os.system",
    b"${HOME}",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
)
