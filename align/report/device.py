"""The page of check_device.py, in the style of the parity page: `render` and `write`."""

from pathlib import Path
from typing import Any

from align.report.page import TEMPLATES, write_text
from paddle_ugatit.formats import html

_PAGES = html.environment(TEMPLATES)
_GIB = 2**30


def render(report: dict[str, Any]) -> str:
    """Return the HTML of a report of check_device.py."""
    facts = dict(report["facts"])
    facts["memory"] = f"{facts['memory'] / _GIB:.1f} GiB" if facts.get("memory") else "unknown"
    if "rounded" in facts:
        facts["TF32"] = "on for " + " and ".join(facts["rounded"]) if facts["rounded"] else "off"
        del facts["rounded"]
    return _PAGES.get_template("device.html").render(
        report=report, figures=[(name, "unknown" if value is None else value) for name, value in facts.items()]
    )


def write(report: dict[str, Any], path: Path | str) -> None:
    """Render the page and write it; if that is interrupted, the previous page stays whole."""
    write_text(path, render(report))
