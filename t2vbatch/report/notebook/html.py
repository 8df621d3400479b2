"""The templates of this folder, filled in."""

from typing import Any

from t2vbatch.report.templates import templates

_ENVIRONMENT = templates("t2vbatch.report.notebook", "templates")


def render(template: str, **values: Any) -> str:
    """The template with these values."""
    return _ENVIRONMENT.get_template(template).render(**values)
