"""The page of the fault benchmark, in the style of the parity page: `render` and `write_page`."""

from pathlib import Path

from align.report.page import TEMPLATES, write_text
from paddle_ugatit.formats import html


def _environment():
    pages = html.environment(Path(__file__).with_name("templates"), TEMPLATES)
    pages.filters["number"] = lambda value: "–" if value is None else f"{value:.1e}"
    return pages


_PAGES = _environment()


def render(report: dict) -> str:
    """Return the HTML of a report of check_faults.py."""
    rate, catalogue = report["rates"], report["catalogue"]
    return _PAGES.get_template("faults.html").render(
        passed=report["passed"],
        rates=rate,
        seconds=report["seconds"],
        versions=", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        figures=[
            ("caught", f"{rate['caught']:.1%}"),
            ("right place", f"{rate['located']:.1%}"),
            ("right cause", f"{rate['named']:.1%}"),
            ("wrong cause", rate["misnamed"]),
            ("false alarms", f"{rate['false_alarms']} of {rate['controls']}"),
        ],
        others=[(name, other["text"]) for name, other in report["others"].items()],
        tools=list(report["others"]),
        faults=[
            {**fault, "title": catalogue.get(fault["number"], "beyond the catalogue")} for fault in report["faults"]
        ],
        controls=_controls(report["controls"]),
    )


def write_page(report: dict, path: Path | str) -> None:
    """Render the page and write it; if that is interrupted, the previous page stays whole."""
    write_text(path, render(report))


def _controls(controls):
    """(name, number of seeds, alarms as text) of each control."""
    found = []
    for name in dict.fromkeys(control["name"] for control in controls):
        mine = [control for control in controls if control["name"] == name]
        alarms = [f"seed {control['seed']}: {control['alarm']}" for control in mine if control["alarm"]]
        found.append((name, len(mine), "; ".join(alarms)))
    return found
