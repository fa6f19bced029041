"""The page of the fault benchmark: self-contained HTML in the style of page.css; `write_page`."""

from html import escape
from pathlib import Path

from paddle_ugatit.formats.atomic import replacing

_MARKS = {True: '<span class="chip aligned">yes</span>', False: '<span class="chip diverged">no</span>'}


def write_page(report, path):
    """Render and write; an interrupted write leaves the former page whole."""
    page = render(report)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w") as file:
        file.write(page)


def render(report):
    """The page's HTML."""
    css = Path(__file__).parents[1].joinpath("report", "page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Fault benchmark of the parity harness</title>\n<style>\n{css}</style></head>\n<body><main>"
        f"{_head(report)}{_others(report)}{_faults(report)}{_controls(report)}"
        "<footer>A cause is named only where the same mistake, made in PyTorch, gives what Paddle gave: the last "
        "column holds the error without and with it.</footer></main></body></html>\n"
    )


def _head(report):
    rate, verdict = report["rates"], "aligned" if report["passed"] else "diverged"
    figures = {
        "caught": f"{rate['caught']:.1%}",
        "right place": f"{rate['located']:.1%}",
        "right cause": f"{rate['named']:.1%}",
        "wrong cause": rate["misnamed"],
        "false alarms": f"{rate['false_alarms']} of {rate['controls']}",
    }
    entries = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        '<p class="eyebrow">Who tests the tester</p>'
        f'<section class="verdict {verdict}"><h1>{"✓ REACHED" if report["passed"] else "✕ NOT REACHED"}</h1>'
        f"<p>{rate['plantings']} plantings of {rate['faults']} faults of the catalogue, "
        f"in {report['seconds']:.0f} s.</p><p class='soft'>{escape(versions)}</p></section>"
        f'<dl class="figures">{entries}</dl>'
    )


def _others(report):
    if not report["others"]:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(other['text'])}</td></tr>" for name, other in report["others"].items()
    )
    return f"<h4>Other tools on the same faults</h4>{_table(('Tool', 'Result'), rows)}"


def _faults(report):
    tools = list(report["others"])
    rows = []
    for fault in report["faults"]:
        title = report["catalogue"].get(fault["number"], "beyond the catalogue")
        marks = [fault["caught"], fault["located"], fault["named"]]
        if fault["impossible"]:
            cells = f'<td colspan="3">cannot exist here: {escape(fault["impossible"])}</td>'
        else:
            cells = "".join(f"<td>{_MARKS[mark]}</td>" for mark in marks)
        others = "".join(f"<td>{escape(str(fault['others'].get(tool, '')))}</td>" for tool in tools)
        place = f"{fault['layer'] or 'the model'}<i>{escape(fault['place'])}, {escape(fault['check'])}</i>"
        rows.append(
            f"<tr><td>{fault['number'] or ''}</td><td>{escape(fault['name'])}<i>{escape(title)}</i></td>{cells}"
            f'<td class="mono">{place}</td><td class="note">{escape(fault["cause"])}</td>'
            f"<td>{_number(fault['before'])} → {_number(fault['after'])}</td>{others}</tr>"
        )
    heads = ("", "Fault", "Caught", "Place", "Cause", "Blamed", "Named cause", "Error", *tools)
    return f"<h4>Faults</h4>{_table(heads, ''.join(rows))}"


def _controls(report):
    names = dict.fromkeys(control["name"] for control in report["controls"])
    rows = []
    for name in names:
        mine = [control for control in report["controls"] if control["name"] == name]
        alarms = [f"seed {control['seed']}: {control['alarm']}" for control in mine if control["alarm"]]
        text = escape("; ".join(alarms)) or "silent"
        rows.append(f"<tr><td>{escape(name)}</td><td>{len(mine)}</td><td class='note'>{text}</td></tr>")
    if not rows:
        return ""
    return f"<h4>Controls: no faults, and no alarm allowed</h4>{_table(('Control', 'Seeds', 'Alarms'), ''.join(rows))}"


def _table(heads, rows):
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _number(value):
    return "–" if value is None else f"{value:.1e}"
