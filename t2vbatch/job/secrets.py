"""Secrets that no text that leaves the process may contain: values of the job's ``${NAME}`` references, and
credentials in URLs and headers, which may come from a cell of a manifest.

The values are kept for the whole process, because errors come from everywhere: pipelines, metrics, storages,
libraries. Every job that is read or unpickled adds its own. Records, failures, logs, status files and the
command line redact what they write.
"""

import html
import json
import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHORTEST = 4
"""Characters of the shortest value that counts as a secret: a shorter one occurs in other text by chance."""

_WORD = 8  # A value of fewer characters is only replaced as a whole word.
_HIDDEN = "***"
_CREDENTIALS = (
    re.compile(r"(?P<kept>\w://)(?!\$\{)[^\s/?#@'\"<>\\]+(?=@)"),
    re.compile(
        r"(?P<kept>[?&;](?:[\w-]*(?:signature|credential|token|password|secret|api[_-]?key)|sig|key|auth"
        r"|awsaccesskeyid)=)(?!\$\{)[^&\s'\"<>#\\]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<kept>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE),
)
"""User names and passwords of URLs, signed queries such as those of S3 and Azure, and HTTP authorizations."""

_known: dict[str, str] = {}


def remember(variables: Mapping[str, str]) -> None:
    """Redact these values from now on. ``variables``: name: value."""
    _known.update({name: value for name, value in variables.items() if len(value) >= SHORTEST})
    if not isinstance(logging.getLogRecordFactory(), _Redacting):
        logging.setLogRecordFactory(_Redacting(logging.getLogRecordFactory()))


def redacted(text: str, variables: Mapping[str, str] | None = None) -> str:
    """The text with ``${NAME}`` for every value, also if the value is quoted for a URL, JSON or HTML, and
    with ``***`` for credentials in URLs and headers.

    Args:
        variables: name: value; None: all values that the process remembers.
    """
    pairs = _known if variables is None else variables
    for name, value in sorted(pairs.items(), key=lambda pair: -len(pair[1])):
        if len(value) >= SHORTEST:
            for form in dict.fromkeys(_forms(value)):
                if form in text:
                    text = _replaced(text, form, f"${{{name}}}")
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\g<kept>{_HIDDEN}", text)
    return text


def redacted_value(value: Any) -> Any:
    """The value with every text in it redacted, at any depth."""
    match value:
        case str():
            return redacted(value)
        case Mapping():
            return {key: redacted_value(item) for key, item in value.items()}
        case list() | tuple():
            return [redacted_value(item) for item in value]
        case _:
            return value


def _forms(value: str) -> list[str]:
    escaped = [
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        quote(value, safe=""),
        quote(value),
        html.escape(value),
    ]
    return [value, *escaped]


def _replaced(text: str, form: str, reference: str) -> str:
    if len(form) >= _WORD:
        return text.replace(form, reference)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda found: reference, text)


class _Redacting:
    """Makes log records whose text is redacted."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._factory(*args, **kwargs)
        record.msg, record.args = redacted(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None:
            # A formatter uses this text instead of formatting the exception itself.
            record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return record
