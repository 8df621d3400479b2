"""Attacks as data: what a manifest, a list, a server or an output folder of somebody else may contain.

Each attack has a kind, which decides how ``test_corpus`` tries it, and the value that is tried.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        kind: ``path`` and ``uri``: a media cell; ``address``: a host that a URL resolves to; ``table``: name
            and bytes of a manifest; ``row``: cells of a row; ``record``: fields of a record.
    """

    kind: str
    value: Any


PATHS = (
    "/etc/passwd",
    "/proc/self/environ",
    "../secret",
    "x/../../secret",
    "./../secret",
    "link",
    "folder-link/secret",
    "~/.ssh/id_rsa",
    "\\\\host\\share",
    "C:\\Windows\\win.ini",
    "secret\x00.png",
    "a\nb.png",
    "." * 5000,
    "/dev/zero",
    "/dev/stdin",
)
URIS = (
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file:/etc/passwd",
    "file://localhost/etc/passwd",
    "ftp://example.org/x.png",
    "gopher://example.org/",
    "data:image/png;base64,AAAA",
    "jar:file:///x!/y",
    "http://",
    "http://[::1/x",
    "http://127.0.0.1/x",
    "http://127.1/x",
    "http://0x7f.1/x",
    "http://2130706433/x",
    "http://localhost/x",
    "http://LOCALHOST./x",
    "http://[::ffff:127.0.0.1]/x",
    "http://user@127.0.0.1/x",
    "http://169.254.169.254/latest/meta-data",
    "http://metadata.google.internal/computeMetadata",
    "http://printer.local/x",
    "s3://private/secret",
    "gs://private/secret",
    "az://private/secret",
    "s3://",
)
ADDRESSES = (
    "127.0.0.1",
    "10.0.0.1",
    "192.0.0.192",
    "168.63.129.16",
    "169.254.169.254",
    "100.100.100.200",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "fec0::1",
    "fd00:ec2::254",
    "64:ff9b:1::1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:db8::1",
)
TABLES = (
    ("m.csv", b'prompt\n"never ends'),
    ("m.csv", b"prompt\n" + b"\x00" * 100),
    ("m.csv", b"\xff\xfe\x00"),
    ("m.csv", b"prompt," * 2000),
    ("m.tsv", b'prompt\tx\n"a\tb\n' * 50),
    ("m.jsonl", b'{"prompt": "a", "x": ' + b"[" * 50_000),
    ("m.jsonl", b'{"prompt": "a", "x": ' + b"9" * 10_000 + b"}"),
    ("m.jsonl", b'{"prompt": "a", "x": NaN}'),
    ("m.jsonl", b'{"prompt": "\\ud800"}'),
    ("m.jsonl", b'{"prompt": "a", "prompt": "b"}'),
    ("m.parquet", b"PAR1" + b"\x00" * 50 + b"PAR1"),
    ("m.parquet", b""),
    ("m.txt", b"\xef\xbb\xbf"),
    ("m.txt", b"caf\xe9"),
)
ROWS: tuple[dict[str, Any], ...] = (
    {"seed": 2**63 - 1},
    {"seed": 2**200},
    {"seed": -1},
    {"seed": "0x10"},
    {"num_frames": 10**9},
    {"num_frames": -1},
    {"num_frames": 1.5},
    {"num_frames": "16; rm -rf /"},
    {"height": 10**18},
    {"width": 0},
    {"num_inference_steps": 10**9},
    {"num_frames": [8]},
    {"num_frames": {"a": 1}},
    {"num_frames": True},
    {"model": "../other"},
    {"id": "a\x00b"},
    {"id": "x" * 5000},
    {"prompt": "x" * 50_000},
)
RECORDS: tuple[dict[str, Any], ...] = (
    {"video": "records"},
    {"video": "videos"},
    {"video": "../x.mp4"},
    {"video": "/etc/passwd"},
    {"video": "videos/../job.yaml"},
    {"video": "videos//x.mp4"},
    {"status": "great"},
    {"scores": {"x": "high"}},
    {"scores": [1]},
    {"seed": 2**64},
    {"started_at": "yesterday"},
    {"unknown": 1},
)

CORPUS = tuple(
    Attack(kind, value)
    for kind, values in (
        ("path", PATHS),
        ("uri", URIS),
        ("address", ADDRESSES),
        ("table", TABLES),
        ("row", ROWS),
        ("record", RECORDS),
    )
    for value in values
)
