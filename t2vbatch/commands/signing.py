"""Signatures of certificates with Ed25519 keys, in the files that ``ssh-keygen -t ed25519`` writes.

A signature proves that the holder of the key signed this certificate. It needs the package cryptography,
which the extra ``t2vbatch[sign]`` installs.
"""

import base64
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vbatch.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_CONTEXT = b"t2vbatch certificate 1\n"
"""Signed before the digest, so that no signature of another kind of message fits."""


def sign(digest: str, key: Path) -> dict[str, str]:
    """The signature of a certificate's digest: ``public_key`` as one OpenSSH line, and ``value`` in base64.

    Args:
        key: an Ed25519 private key without a passphrase, in OpenSSH's form or PEM.

    Raises:
        UsageError: the file is not such a key, or the package cryptography is missing.
    """
    private = _private(key)
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    value = private.sign(_CONTEXT + digest.encode())
    return {"public_key": public.decode(), "value": base64.b64encode(value).decode()}


def check_signature(signature: Mapping[str, Any] | None, digest: str, public_key: Path, where: str) -> None:
    """Check that the holder of ``public_key`` signed this digest.

    Args:
        signature: as ``sign`` returns it; None for a certificate without one.
        public_key: a file with the public key, one OpenSSH line or PEM.
        where: the certificate, for messages.

    Raises:
        UsageError: there is no signature, or it is not that of this key and digest.
    """
    known = _public(public_key)
    from cryptography.exceptions import InvalidSignature

    if not isinstance(signature, Mapping):
        raise UsageError(where, "a certificate without a signature", "one that certify --key signed")
    try:
        known.verify(base64.b64decode(str(signature.get("value")), validate=True), _CONTEXT + digest.encode())
    except (InvalidSignature, ValueError):
        signer = str(signature.get("public_key"))[:80]
        raise UsageError(
            where,
            f"a signature of another key or certificate (it names {signer})",
            f"a signature by the key in {public_key}",
        ) from None


def _private(key: Path) -> "Ed25519PrivateKey":
    data = _read(key, "an Ed25519 private key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if b"OPENSSH" in data else load_pem_private_key
    fix = "ssh-keygen -t ed25519 -N '' -f FILE makes one"
    try:
        found = load(data, None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            str(key),
            f"a key that cannot be read ({error})",
            "an Ed25519 private key without a passphrase",
            fix,
        ) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise UsageError(str(key), "a key of another kind", "an Ed25519 private key", fix)
    return found


def _public(key: Path) -> "Ed25519PublicKey":
    data = _read(key, "an Ed25519 public key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    load = load_pem_public_key if b"BEGIN PUBLIC KEY" in data else load_ssh_public_key
    try:
        found = load(data)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PublicKey):
        expected = "an Ed25519 public key, such as the .pub file of ssh-keygen"
        raise UsageError(str(key), "a file that is not an Ed25519 public key", expected)
    return found


def _read(key: Path, expected: str) -> bytes:
    if find_spec("cryptography") is None:
        raise UsageError(
            str(key),
            "no package cryptography",
            "the package that signs and checks certificates",
            "pip install 't2vbatch[sign]'",
        )
    try:
        return key.read_bytes()
    except OSError as error:
        raise UsageError(str(key), error.strerror or str(error), expected) from None
