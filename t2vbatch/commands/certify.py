"""A certificate of an output: one JSON file that says what the dataset is, and that anyone can check
elsewhere.

It holds the job, digests of plan, records, videos, scores and distances, the versions and devices of the run,
and the results of ``verify`` and of a check that generated random samples again. ``check`` compares all of it
with the output, except for what was generated again. Its own digest covers all of it, so that a change of the
file is found. Whoever can replace the output can also make a new certificate, so keep its digest elsewhere,
or sign it with a key (``commands/signing.py``).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from t2vbatch import __version__
from t2vbatch.commands.certificate import (
    LATER,
    digests,
    mean_scores,
    read_contents,
    statements,
    table_digests,
)
from t2vbatch.commands.signing import check_signature, sign
from t2vbatch.commands.verify import verify
from t2vbatch.commands.verify_deep import verify_deep
from t2vbatch.commands.verify_problem import VerifyProblem
from t2vbatch.commands.verify_tables import first_difference
from t2vbatch.engines import Engine
from t2vbatch.errors import UsageError
from t2vbatch.job import Job
from t2vbatch.output.store import Store

FORM = "t2vbatch certificate 1"
_SHOWN = 80


def certify(
    store: Store, deep: int, seed: int, engine: Callable[[Job], Engine], key: Path | None = None
) -> dict[str, Any]:
    """The certificate of an output, as plain values.

    Args:
        deep: number of random samples to generate again and compare; 0 for none.
        seed: equal seeds select equal samples.
        engine: makes the engine that generates these samples.
        key: an Ed25519 private key that signs the certificate.

    Raises:
        UsageError: the folder has no run, or the key cannot sign.
        RunError: samples could not be generated again.
    """
    if key is not None:
        sign("", key)  # A wrong key is found before the videos are read.
    content: dict[str, Any] = {
        "form": FORM,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "t2vbatch": __version__,
        **_described(store),
        "tables": table_digests(store),
        "verify": _outcome(verify(store)),
        "made_again": _outcome(verify_deep(store, deep, engine, seed)) if deep else None,
    }
    digest = _digest(content)
    return content | {"digest": digest} | ({} if key is None else {"signature": sign(digest, key)})


def check(certificate: Path, store: Store, public_key: Path | None = None) -> Iterator[VerifyProblem | None]:
    """Compare an output with a certificate, and every file with its plan and record; None stands for a video
    that is right.

    Args:
        public_key: the key that must have signed the certificate; None accepts every certificate.

    Raises:
        UsageError: the file is not a certificate, is not signed by the key, or the folder has no run.
    """
    content = _read(certificate, public_key)
    yield from _changes(store, content)
    confirmed = _confirmed_tables(store, content)
    yield from (one for one in verify(store) if one is None or one.place not in confirmed)


def _changes(store: Store, content: Mapping[str, Any]) -> Iterator[VerifyProblem]:
    """The differences of the plan, the records, the job and the distances from the certificate."""
    contents = read_contents(store)
    for name, value in digests(contents).items():
        earlier = name in LATER and name not in content
        if not earlier and content.get(name) != value:
            yield VerifyProblem(f"{store.uri}, {name}", value[:16], f"{content.get(name)}"[:16])
    stated = statements(contents) | {"scores": mean_scores(contents)}
    for name, value in stated.items():
        difference = first_difference(_parts(name, value), _parts(name, content.get(name)), name)
        if difference is not None:
            key, found, expected = difference
            yield VerifyProblem(f"{store.uri}, {key}", _shortened(found), _shortened(expected))


def _described(store: Store) -> dict[str, Any]:
    contents = read_contents(store)
    return {**statements(contents), **digests(contents), "scores": mean_scores(contents)}


def _parts(name: str, value: Any) -> Any:
    """A statement as parts that a difference can name: the job by its lines, without its output, which may be
    another folder, and scores without intervals, which may be those of another version.
    """
    if name == "job_yaml" and isinstance(value, str):
        lines = enumerate(value.splitlines(), 1)
        return {f"line {number}": line for number, line in lines if not line.startswith("output:")}
    return _means(value) if name == "scores" else value


def _means(scores: Any) -> Any:
    """The means and numbers of scores."""
    if not isinstance(scores, dict):
        return scores
    if "mean" in scores:
        return {key: scores[key] for key in ("mean", "n") if key in scores}
    return {name: _means(one) for name, one in scores.items()}


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _confirmed_tables(store: Store, content: Mapping[str, Any]) -> frozenset[str]:
    """The tables whose bytes were certified without a problem. This version may write them otherwise."""
    outcome, tables = content.get("verify"), content.get("tables")
    if not isinstance(outcome, Mapping) or outcome.get("problems") != [] or not isinstance(tables, Mapping):
        return frozenset()
    return frozenset(
        f"{store.uri}/{name}" for name, digest in table_digests(store).items() if tables.get(name) == digest
    )


def _outcome(found: Iterable[VerifyProblem | None]) -> dict[str, Any]:
    results = list(found)
    return {
        "right": sum(one is None for one in results),
        "problems": [str(one) for one in results if one is not None],
    }


def _read(path: Path, public_key: Path | None) -> dict[str, Any]:
    expected = "a file that t2vbatch certify wrote"
    if path.is_dir():
        raise UsageError(str(path), "a folder", expected, "name the file, then the output that it describes")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(str(path), error.strerror or str(error), expected) from None
    except ValueError:
        raise UsageError(str(path), "a file that is not JSON", expected) from None
    if not isinstance(content, dict) or content.get("form") != FORM:
        raise UsageError(str(path), "a file that is not a certificate", expected)
    claimed, signature = content.pop("digest", None), content.pop("signature", None)
    if claimed != _digest(content):
        raise UsageError(str(path), "a certificate that was changed after it was written", expected)
    if public_key is not None:
        check_signature(signature, str(claimed), public_key, str(path))
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
