"""Self-contained HTML pages from Jinja2 templates, with escaping on: `environment`."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(*folders: Path) -> Environment:
    """Return an environment that finds templates in these folders, the first one first.

    Every value is escaped, in style sheets too (include those as templates instead), and a missing one raises
    jinja2.UndefinedError.
    """
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
