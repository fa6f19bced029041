"""The measured table as a document: `kept` and `keep` files of a version, `rows_of` both, `markdown`, `page`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from align.api import verdict
from align.api.entry import Entry, recipe_text
from align.report.page import TEMPLATES, write_text
from paddle_ugatit.formats import atomic, html

FOLDER = Path(__file__).with_name("measured")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
SCHEMA = "paddle-ugatit-api/1"
SHOWN = 3  # differences of a line that are written out
_PAGES = html.environment(Path(__file__).with_name("templates"), TEMPLATES)
_FIGURES = ("forward", "gradient", "forward32", "gradient32")


def summary(line: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a measured line: the verdict, largest errors, first differences, arguments."""
    found = {"paddle": line["paddle"], "verdict": verdict.verdict_of(line), "comparisons": len(line["uses"])}
    found["arguments"] = argument_lines(line["arguments"])
    found["initial"] = line.get("initial", [])
    for way in ("naive", "recipe"):
        side = verdict.summary_of(line, way, line["limit"])
        if side.compared:
            found[way] = {name: _plain(getattr(side, name)) for name in _FIGURES}
            found[way] |= {"constants": side.constants, "fits": not side.wrong}
            for name in ("wrong", "edges"):
                given = list(dict.fromkeys(getattr(side, name)))
                more = [f"and {len(given) - SHOWN} more"] if len(given) > SHOWN else []
                found[way][name] = given[:SHOWN] + more
    return found


def _plain(value: float | None) -> float | str | None:
    """A number that JSON knows: infinity in words, others with two digits."""
    return value if value is None else "other shape" if value == float("inf") else float(f"{value:.1e}")


def argument_lines(arguments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what differs among the arguments: names, defaults, and those of one side only."""
    found = [
        f"{one['torch']} → {one['paddle']}"
        for one in arguments
        if one["torch"] and one["paddle"] != one["torch"] and one["paddle"]
    ]
    for one in arguments:
        theirs, ours = one["defaults"]
        if one["differ"]:
            found.append(f"default of {one['paddle']}: {theirs} → {ours}")
        elif one["torch"] and one["paddle"] and theirs is not None and ours is None:
            found.append(f"{one['paddle']} has no default in Paddle, {theirs} in PyTorch")
    for side, other in (("torch", "paddle"), ("paddle", "torch")):
        alone = [one[side] for one in arguments if one[side] and not one[other]]
        if alone:
            found.append(f"only {'PyTorch' if side == 'torch' else 'Paddle'}: {', '.join(alone)}")
    return found


def kept() -> dict[str, dict[str, Any]]:
    """Return version of Paddle -> what was measured with it, the newest version first."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")]
    files.sort(key=lambda file: [int(part) for part in file["versions"]["paddle"].split(".")], reverse=True)
    return {file["versions"]["paddle"]: file for file in files}


def keep(lines: Mapping[str, dict[str, Any]], versions: Mapping[str, str]) -> Path:
    """Write what was measured with a version of Paddle beside this module; returns the path."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"paddle-{versions['paddle']}.json"
    document = {"schema": SCHEMA, "versions": dict(versions), "lines": dict(lines)}
    with atomic.replacing(path, "w") as file:
        file.write(json.dumps(document, indent=0, ensure_ascii=False) + "\n")
    return path


def rows_of(entries: Mapping[str, Entry], files: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each entry that some version has: names, texts, and the figures of every version."""
    rows = []
    for name, entry in entries.items():
        found = {version: file["lines"][name] for version, file in files.items() if name in file["lines"]}
        if not found:
            continue
        first = next(iter(found.values()))
        rows.append(
            {
                "torch": name,
                "paddle": _called(entry),
                "anchor": entry.anchor,
                "section": entry.section,
                "arguments": first["arguments"] + [f"initial {text}" for text in first["initial"]],
                "verdicts": {version: line["verdict"] for version, line in found.items()},
                "forward": _figures(found, "naive", "forward"),
                "gradient": _figures(found, "naive", "gradient"),
                "single": _figures(found, "naive", "forward32"),
                "differences": _differences(found),
                "recipe": _recipe(entry, found),
                "own": entry.own,
            }
        )
    return rows


def _called(entry: Entry) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in entry.always.items())
    return f"{entry.paddle}({given})" if given else entry.paddle


def _figures(found, way, name) -> str:
    """The figures of each version, or one if they are the same."""
    texts = [_number(line.get(way, {}).get(name)) for line in found.values()]
    return texts[0] if len(set(texts)) == 1 else " · ".join(texts)


def _number(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.0e}" if value else "0"


def _differences(found) -> list[str]:
    """What does not agree, in the words of each version, or of one if they are the same."""
    texts: dict[str, list[str]] = {}
    for version, line in found.items():
        side = line.get("naive", {})
        constants = [f"Paddle keeps {text} in float32" for text in side.get("constants", [])]
        for text in side.get("wrong", []) + constants + side.get("edges", []):
            texts.setdefault(text, []).append(version)
    every = len(found)
    return [text if len(versions) == every else f"{', '.join(versions)}: {text}" for text, versions in texts.items()]


def _recipe(entry: Entry, found) -> dict[str, Any] | None:
    """What the recipe says, its code, and what is left of the error with it, of each version."""
    if entry.recipe is None:
        return None
    said, code = recipe_text(entry.recipe)
    sides = {version: line.get("recipe") for version, line in found.items()}
    left = {version: side for version, side in sides.items() if side and not side["fits"]}
    return {
        "said": said,
        "code": code,
        "forward": _figures(found, "recipe", "forward"),
        "gradient": _figures(found, "recipe", "gradient"),
        "left": [f"{version}: {text}" for version, side in left.items() for text in side["wrong"][:1]],
    }


def needed(row: Mapping[str, Any]) -> bool:
    """Whether a row needs its recipe: some version differs or lacks it."""
    return any(one != verdict.SAME for one in row["verdicts"].values())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _verdict_text(row: Mapping[str, Any]) -> str:
    said = list(row["verdicts"].items())
    return said[0][1] if len({one for _, one in said}) == 1 else ", ".join(f"{v}: {text}" for v, text in said)


def markdown(rows: Sequence[Mapping[str, Any]], files: Mapping[str, Mapping[str, Any]], intro: str) -> str:
    """Return the document: an introduction, the numbers of each verdict, and a table for each section."""
    lines = [intro.rstrip(), "", "| verdict | " + " | ".join(f"Paddle {version}" for version in files) + " |"]
    lines.append("|---" * (1 + len(files)) + "|")
    for one in verdict.VERDICTS:
        counts = [sum(row["verdicts"].get(version) == one for row in rows) for version in files]
        lines.append(f"| {one} | " + " | ".join(map(str, counts)) + " |")
    head = "| PyTorch | Paddle | arguments, defaults | forward | gradient | float32 | verdict | recipe | here |"
    for section in dict.fromkeys(row["section"] for row in rows):
        lines += ["", f"## {section}", "", head, "|---" * 9 + "|"]
        lines += [_markdown_row(row) for row in rows if row["section"] == section]
    return "\n".join(lines) + "\n"


def _markdown_row(row: Mapping[str, Any]) -> str:
    recipe = ""
    if row["recipe"] and needed(row):
        code = row["recipe"]["code"]
        told = f"`{code}`" if "\n" not in code and len(code) < 140 else "see the page"
        errors = f"{row['recipe']['forward']}, {row['recipe']['gradient']}"
        left = f"; {row['recipe']['left'][0]}" if row["recipe"]["left"] else ""
        recipe = f"{row['recipe']['said']} {told} ({errors}{left})"
    cells = [
        f'<a id="{row["anchor"]}"></a>`{row["torch"]}`',
        f"`{row['paddle']}`" if row["paddle"] else "–",
        "; ".join(row["arguments"]),
        row["forward"],
        row["gradient"],
        row["single"],
        ": ".join(filter(None, [f"**{_verdict_text(row)}**", "; ".join(row["differences"])])),
        recipe,
        row["own"],
    ]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def page(rows: Sequence[Mapping[str, Any]], files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the HTML page, which has a search box and needs no network."""
    counts = {
        one: [sum(row["verdicts"].get(version) == one for row in rows) for version in files] for one in verdict.VERDICTS
    }
    sections = {
        name: [row for row in rows if row["section"] == name] for name in dict.fromkeys(r["section"] for r in rows)
    }
    versions = [file["versions"] for file in files.values()]
    return _PAGES.get_template("api.html").render(
        sections=sections, counts=counts, versions=versions, files=list(files), total=len(rows), needed=needed
    )


def write_page(rows: Sequence[Mapping[str, Any]], files: Mapping[str, Mapping[str, Any]], path: Path | str) -> None:
    """Render the page and write it; if that is interrupted, the previous page stays whole."""
    write_text(path, page(rows, files))
