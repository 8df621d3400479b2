"""HTML from templates: whatever comes from a manifest is text there, never markup."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(package: str, folder: str) -> Environment:
    """The templates of a package's folder; a value that is missing is an error."""
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
