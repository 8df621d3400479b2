"""The one template environment of page and notebook: text from a manifest is escaped, never markup."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("t2vbatch.report", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Fill in a template, named relative to this package: ``assets/index.html``.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not in ``values``.
    """
    return _ENVIRONMENT.get_template(template).render(**values)
