"""The page of the mutation score, in the style of the parity page: `render` and `write`."""

from pathlib import Path
from typing import Any

from align.report.page import TEMPLATES, write_text
from paddle_ugatit.formats import html

_PAGES = html.environment(Path(__file__).with_name("templates"), TEMPLATES)


def render(report: dict[str, Any]) -> str:
    """Return the HTML of a report of check_mutants.py."""
    total = report["total"]
    survivors = sorted(
        (one for one in report["outcomes"] if one["how"] == "survived"), key=lambda one: (one["path"], one["line"])
    )
    return _PAGES.get_template("mutants.html").render(
        report=report,
        versions=", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        figures=[
            ("killed", f"{total['score']:.1%}"),
            ("right file", f"{total['located']:.1%}"),
            ("by a difference", total["diverged"]),
            ("by an error", total["error"] + total["crash"]),
            ("by hanging", total["timeout"]),
            ("survived", total["survived"]),
        ],
        survivors=survivors,
    )


def write(report: dict[str, Any], path: Path | str) -> None:
    """Render the page and write it; if that is interrupted, the previous page stays whole."""
    write_text(path, render(report))
