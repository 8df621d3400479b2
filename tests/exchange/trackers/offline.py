"""Reads back what W&B keeps of an offline run, which its own package can only upload."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HEADER, _BLOCK, _CHUNK = 7, 32768, struct.Struct("<IHB")
_LAST = (1, 4)
"""Kinds of chunks with which a message ends: whole, and its last part."""


@dataclass
class OfflineRun:
    """What was written: the run itself, the newest value of each key, the artifacts."""

    run: Any = None
    config: dict[str, str] = field(default_factory=dict)
    history: dict[str, str] = field(default_factory=dict)
    summary: dict[str, str] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)


def read_run(folder: Path) -> OfflineRun:
    """The run in a folder ``offline-run-...``; values are JSON."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("run-*.wandb")
    found = OfflineRun()
    for message in _messages(file.read_bytes()):
        record = Record.FromString(message)
        for kept, items in (
            (found.config, record.config.update),
            (found.history, record.history.item),
            (found.summary, record.summary.update),
        ):
            kept |= {item.key or "/".join(item.nested_key): item.value_json for item in items}
        if record.HasField("run"):
            found.run = record.run
        if record.HasField("artifact"):
            found.artifacts.append(record.artifact)
        if record.HasField("request") and record.request.HasField("log_artifact"):
            found.artifacts.append(record.request.log_artifact.artifact)
    return found


def _messages(data: bytes) -> Iterator[bytes]:
    """The messages of a file in LevelDB's log format, behind W&B's header."""
    at, parts = _HEADER, b""
    while at + _CHUNK.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _CHUNK.size:
            at += left
            continue
        _, length, kind = _CHUNK.unpack_from(data, at)
        parts += data[at + _CHUNK.size : at + _CHUNK.size + length]
        at += _CHUNK.size + length
        if kind in _LAST:
            yield parts
            parts = b""
