"""The value of ``${NAME}`` is in no text that leaves the process."""

import io
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import JobError
from t2vbatch.job import load_job, parse_job, secrets
from t2vbatch.job.secrets import redacted, redacted_value, remember

SECRET = 's3cr3t/with "quotes" & <tags>\nand lines'


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test starts with no secrets and its own log records."""
    monkeypatch.setattr(secrets, "_known", {})
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        repr(SECRET),
        json.dumps({"key": SECRET}),
        f"https://host/?key={'s3cr3t%2Fwith%20%22quotes%22%20%26%20%3Ctags%3E%0Aand%20lines'}",
        "<b>s3cr3t/with &quot;quotes&quot; &amp; &lt;tags&gt;\nand lines</b>",
    ],
)
def test_every_form_of_a_secret_is_redacted(text: str) -> None:
    """A secret is redacted as it is, and quoted for Python, JSON, URLs or HTML."""
    remember({"KEY": SECRET})
    assert "s3cr3t" not in redacted(text)
    assert "${KEY}" in redacted(text)
    assert "s3cr3t" not in str(redacted_value({"a": [text, {"b": text}], "c": 1}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:s3cr3t@host/x.png: 404", "at https://***@host/x.png: 404"),
        ("ftp://s3cr3t@host", "ftp://***@host"),
        ("https://b.s3.amazonaws.com/x?a=1&X-Amz-Signature=s3cr3t&b=2", "&X-Amz-Signature=***&b=2"),
        ("https://h/x?X-Amz-Credential=s3cr3t%2Faws4&X-Amz-Security-Token=s3cr3t", "Token=***"),
        ("<a href='https://h/x?a=1&amp;sig=s3cr3t'>", "&amp;sig=***'>"),
        ("GET /x?token=s3cr3t HTTP/1.1", "?token=*** HTTP"),
        ("{'Authorization': 'Bearer s3cr3t.token-value'}", "Bearer ***"),
        ("https://host/x?keyword=cat&size=9 me@host.org", "keyword=cat&size=9 me@host.org"),
    ],
)
def test_credentials_of_urls_and_headers_are_redacted(text: str, shown: str) -> None:
    """Credentials in URLs and headers are redacted in any text, such as an error that quotes a cell."""
    assert shown in redacted(text)
    assert "s3cr3t" not in redacted(text)


def test_short_values_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of a few characters is redacted as a whole word only, and a shorter one never."""
    remember({"PIN": "1234", "X": "ab"})
    assert redacted("code 1234, size 512340, ab") == "code ${PIN}, size 512340, ab"


def test_logs_are_redacted() -> None:
    """Messages of logs, their arguments and tracebacks are redacted."""
    remember({"KEY": SECRET})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("some.library")
    log.addHandler(handler)
    try:
        try:
            raise ValueError(f"bad key {SECRET}")
        except ValueError:
            log.exception("failed with %s", SECRET)
    finally:
        log.removeHandler(handler)
    assert "s3cr3t" not in stream.getvalue()
    assert "ValueError: bad key ${KEY}" in stream.getvalue()


def test_an_error_about_a_value_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the reference in place of the resolved value."""
    monkeypatch.setenv("T2V_KEY", "s3cr3t-key")
    text = "manifest: m\noutput: o\nsamples: ${T2V_KEY}\nmodels: {a: {path: x}}"
    with pytest.raises(JobError) as caught:
        parse_job(text, "job.yaml")
    assert "s3cr3t" not in str(caught.value)
    assert "${T2V_KEY}" in str(caught.value)


def test_a_job_brings_its_secrets_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker knows them from the job that it unpickles."""
    monkeypatch.setenv("T2V_KEY", "s3cr3t-key")
    data = pickle.dumps(parse_job("manifest: ${T2V_KEY}\noutput: o\nmodels: {a: {path: x}}", "job.yaml"))
    monkeypatch.setattr(secrets, "_known", {})
    pickle.loads(data)
    assert redacted("the key s3cr3t-key") == "the key ${T2V_KEY}"


class Leaking:
    """A model whose error quotes an argument of its call."""

    CALL = {"api_key": "none"}  # noqa: RUF012 - as a plug-in has it

    def __init__(self, spec: object, device: str = "cpu") -> None:
        self._spec = spec

    def generate(self, requests: list[object]) -> list[object]:
        """Raise with the secret, as client libraries do."""
        raise RuntimeError(f"401: the key {requests[0].call['api_key']!r} is not valid")  # type: ignore[attr-defined]


def test_no_file_of_an_output_has_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline's error that quotes the secret is recorded with the reference."""
    monkeypatch.setenv("T2V_KEY", "s3cr3t-key")
    (tmp_path / "rows.csv").write_text("prompt\na cat\n")
    model = {
        "path": "x",
        "pipeline": "tests.job.test_secrets:Leaking",
        "call": {"api_key": "${T2V_KEY}"},
    }
    job = {"manifest": "rows.csv", "output": "out", "metrics": [], "engine": "inline", "models": {"m": model}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    result = run_job(prepare(load_job(tmp_path / "job.yaml")), engine_for)
    assert result.summary.counts.failed == 1
    texts = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(b"s3cr3t" in text for text in texts)
    assert any(b"the key '${T2V_KEY}' is not valid" in text for text in texts)
