"""The templates of this folder, filled in: whatever comes from a manifest is text there, never markup."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("t2vbatch.notebook", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """The template with these values."""
    return _ENVIRONMENT.get_template(template).render(**values)
