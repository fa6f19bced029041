"""The README's layer table: each layer, its equation, where it stands, and its measured errors.

    python align/layer_table.py            prints the table
    python align/layer_table.py --write    puts it into README.md, between its markers

The errors are the largest in float64 over all comparisons of the case, relative to each tensor's scale.
"""

import argparse
import ast
import sys
from pathlib import Path

from align.cases import CASES
from paddle_ugatit.formats import atomic

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- layer table: align/layer_table.py --write -->", "<!-- end of layer table -->"
# PyTorch's own classes have no file here.
BUILT_IN = {
    "BatchNorm2D": "torch.nn.BatchNorm2d",
    "Conv2D": "torch.nn.Conv2d",
    "ConvTranspose2D": "torch.nn.ConvTranspose2d",
    "Linear": "torch.nn.Linear",
    "ReflectionPad2D": "torch.nn.ReflectionPad2d",
    "Upsample": "torch.nn.Upsample",
    "LeakyReLU": "torch.nn.LeakyReLU",
    "InstanceNorm2D": "torch.nn.InstanceNorm2d",
}


def link(room, case):
    """Markdown link to the line where the case's layer is defined in that room."""
    path = f"{room}/{case.file}"
    source = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
    for node in ast.walk(ast.parse(source)):
        if getattr(node, "name", None) == case.layer or (
            isinstance(node, ast.ImportFrom) and case.layer in [alias.name for alias in node.names]
        ):
            return f"[{case.layer}]({path}#L{node.lineno})"
    if room == "torch_ref" and case.layer in BUILT_IN:
        return f"`{BUILT_IN[case.layer]}`"
    raise LookupError(f"{path} has no {case.layer}")


def table(errors):
    """Markdown; `errors`: case name -> (forward, gradient)."""
    lines = ["| case | equation | Paddle | PyTorch | forward | gradient |", "|---|---|---|---|---|---|"]
    for name, (forward, gradient) in errors.items():
        case = CASES[name]
        cells = [name, f"`{case.equation}`", link("paddle_ugatit", case), link("torch_ref", case)]
        lines.append(f"| {' | '.join(cells)} | {forward:.0e} | {gradient:.0e} |")
    return "\n".join(lines)


def measured():
    """Case name -> largest float64 error forward and backward; SystemExit where a case is not aligned."""
    from align.checks.layers import check_case
    from align.compare.reference import measure
    from align.compare.torch_side import TorchSide

    errors = {}
    for name, case in CASES.items():
        reference = measure(case, TorchSide, float32=False)
        entries = [check_case(case, reference, check, ["float64"]) for check in ("forward", "backward")]
        for entry in entries:
            if entry["verdict"] != "aligned":
                sys.exit(f"layer_table: {name} is not aligned: {entry['note'] or entry['blamed']['message']}")
        errors[name] = [max(row["error"] for row in entry["rows"]) for entry in entries]
    return errors


def replaced(text, new):
    """`text` with `new` between the markers; SystemExit where they are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit("layer_table: README.md has no markers for the table")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main(argv=None):
    """Measure, then print or write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args(argv)
    text = table(measured())
    print(text)
    if arguments.write:
        readme = ROOT / "README.md"
        new = replaced(readme.read_text(encoding="utf-8"), text)
        with atomic.replacing(readme, "w") as file:
            file.write(new)
    return 0
