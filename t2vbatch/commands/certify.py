"""A certificate of an output: one JSON file that says what the dataset is, and that anyone can check
elsewhere.

It holds digests of the job, the plan, the videos and the scores, the versions and devices of the run, and
the results of ``verify`` and of a check that generated random samples again. Its own digest covers all of it,
so that a change of the file is found. Whoever can replace the output can also make a new certificate, so
keep its digest elsewhere, or sign it with a key (``commands/signing.py``).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch import __version__
from t2vbatch.analysis.summary import summarize
from t2vbatch.commands.signing import check_signature, sign
from t2vbatch.commands.verify import VerifyProblem, verify
from t2vbatch.commands.verify_deep import verify_deep
from t2vbatch.engines import Engine
from t2vbatch.errors import StoreError, UsageError
from t2vbatch.job import Job
from t2vbatch.output.store import Store

FORM = "t2vbatch certificate 1"


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
    models = sorted(store.read_job().models)
    records = _planned_records(store)
    content: dict[str, Any] = {
        "form": FORM,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "t2vbatch": __version__,
        "models": models,
        "job_yaml": store.folder.read("job.yaml").decode(),
        **digests(store),
        "samples": _samples(store, records),
        "devices": _counted(records["device"].to_pylist()),
        "versions": _versions(records),
        "scores": _mean_scores(store),
        "verify": _outcome(verify(store)),
        "made_again": _outcome(verify_deep(store, deep, engine, seed)) if deep else None,
    }
    digest = _digest(content)
    return content | {"digest": digest} | ({} if key is None else {"signature": sign(digest, key)})


def check(certificate: Path, store: Store, public_key: Path | None = None) -> Iterator[VerifyProblem | None]:
    """Compare an output with a certificate, and every video with its record; None stands for a video that
    is right.

    Args:
        public_key: the key that must have signed the certificate; None accepts every certificate.

    Raises:
        UsageError: the file is not a certificate, is not signed by the key, or the folder has no run.
    """
    content = _read(certificate, public_key)
    found = digests(store)
    for name, value in found.items():
        if content.get(name) != value:
            yield VerifyProblem(f"{store.uri}, {name}", str(value)[:16], str(content.get(name))[:16])
    yield from verify(store)


def digests(store: Store) -> dict[str, str]:
    """Digests that do not depend on machine, time or order.

    ``dataset`` covers the decoded frames and sound of every sample, ``files`` the bytes of the video
    files, so a machine that encodes other bytes of the same frames differs in ``files`` only.
    """
    records = _planned_records(store)
    return {
        "plan": _lines(
            store.read_table("plan.parquet"), "sample_id", "row_id", "model", "sample_index", "seed"
        ),
        "dataset": _lines(records, "sample_id", "status", "frames_sha256", "audio_sha256"),
        "files": _lines(records, "sample_id", "video_sha256"),
        "scores_digest": _lines(records, "sample_id", "scores"),
    }


def _planned_records(store: Store) -> pa.Table:
    try:
        planned = store.read_table("plan.parquet")
    except FileNotFoundError:
        raise UsageError(store.uri, "no plan.parquet", "the output folder of a run") from None
    records = store.records()
    return records.filter(pc.is_in(records["sample_id"], planned["sample_id"]))


def _lines(table: pa.Table, *columns: str) -> str:
    """SHA-256 of the rows as JSON lines, sorted."""
    rows = table.select(list(columns)).to_pylist()
    lines = sorted(json.dumps([_plain(row[name]) for name in columns], ensure_ascii=False) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A cell as JSON; scores, which are JSON text, by their values, whatever the order of their keys."""
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(json.loads(value), sort_keys=True)
    return value


def _samples(store: Store, records: pa.Table) -> dict[str, int]:
    """Status: number of samples; samples without a record are pending."""
    planned = store.read_table("plan.parquet", ["sample_id"])["sample_id"]
    found = pc.index_in(planned, records["sample_id"])
    ended = Counter(records["status"].take(found.drop_null()).to_pylist())
    pending = {"pending": found.null_count} if found.null_count else {}
    return dict(sorted({**ended, **pending}.items()))


def _versions(records: pa.Table) -> list[dict[str, Any]]:
    """The distinct sets of package versions that made the samples."""
    return [json.loads(text) for text in sorted(set(records["versions"].to_pylist())) if text]


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))


def _mean_scores(store: Store) -> dict[str, dict[str, Any]]:
    """Model: score: mean, interval and n, of results.parquet, which ``verify`` compares with the records."""
    planned = Counter(store.read_table("plan.parquet", ["model"])["model"].to_pylist())
    try:
        summary = summarize(store.read_table("results.parquet"), planned)
    except (FileNotFoundError, StoreError, ValueError, KeyError):
        return {}  # verify reports the table.
    return {
        model.model: {
            score.column: {"mean": score.mean, "low": score.low, "high": score.high, "n": score.n}
            for score in model.scores
        }
        for model in summary.models
    }


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
