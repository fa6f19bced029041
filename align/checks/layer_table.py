"""Write docs/layers.md: each layer, its equation, where it is defined on both sides, and its measured errors.

    python align/layer_table.py            prints the table
    python align/layer_table.py --write    writes docs/layers.md

The errors are the largest in float64 over all comparisons of a case, relative to each tensor's scale.
"""

import ast
from pathlib import Path

from align.cases import CASES, Case
from align.checks import running
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "layers.md"
INTRO = """\
# Layers

Every layer and network of the port, with its equation, where it is defined in Paddle and in the PyTorch twin, and how
far apart the two are.

- **case**: the name that `python align/check_forward.py CASE` and `python align/check_backward.py CASE` take.
- **equation**: what the layer computes; for a network, its outputs.
- **Paddle**, **PyTorch**: the line where each side defines it. Layers that PyTorch itself provides have no file here.
- **forward**, **gradient**: the largest error in float64 over all comparisons of the case, each relative to the largest
  value of its tensor. Forward compares weights, inputs and outputs of every inner layer, and buffers; gradient compares
  the gradients of every layer's inputs and outputs and of every parameter.

`python align/layer_table.py --write` measures the errors and writes this page.

"""
# Layers that PyTorch itself provides.
BUILT_IN = {
    "BatchNorm2D": "torch.nn.BatchNorm2d",
    "Conv2D": "torch.nn.Conv2d",
    "ConvTranspose2D": "torch.nn.ConvTranspose2d",
    "Linear": "torch.nn.Linear",
    "ReflectionPad2D": "torch.nn.ReflectionPad2d",
    "Upsample": "torch.nn.Upsample",
    "LeakyReLU": "torch.nn.LeakyReLU",
    "PReLU": "torch.nn.PReLU",
    "Sequential": "torch.nn.Sequential",
    "SmoothLeakyReLU": "torch.nn.LeakyReLU",
    "InstanceNorm2D": "torch.nn.InstanceNorm2d",
}


def link(room: str, case: Case) -> str:
    """Return a Markdown link from docs/ to the line that defines the case's layer in a room.

    Raises LookupError if the case's file in that room does not define it.
    """
    path = f"{room}/{case.file}"
    source = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
    for node in ast.walk(ast.parse(source)):
        if getattr(node, "name", None) == case.layer or (
            isinstance(node, ast.ImportFrom) and case.layer in [alias.name for alias in node.names]
        ):
            return f"[{case.layer}](../{path}#L{node.lineno})"
    if room == "torch_ref" and case.layer in BUILT_IN:
        return f"`{BUILT_IN[case.layer]}`"
    raise LookupError(f"{path} has no {case.layer}")


def table(errors: dict[str, tuple[float, float]]) -> str:
    """Return the table as Markdown; `errors` maps case names to (forward, gradient)."""
    lines = ["| case | equation | Paddle | PyTorch | forward | gradient |", "|---|---|---|---|---|---|"]
    for name, (forward, gradient) in errors.items():
        case = CASES[name]
        cells = [name, f"`{case.equation}`", link("paddle_ugatit", case), link("torch_ref", case)]
        lines.append(f"| {' | '.join(cells)} | {forward:.0e} | {gradient:.0e} |")
    return "\n".join(lines)


def measured() -> dict[str, tuple[float, float]]:
    """Return each case's largest float64 error, forward and backward. Raises InputError if a case is not aligned."""
    from align.checks.layers import check_case
    from align.compare.reference import measure
    from align.compare.torch_side import TorchSide

    errors = {}
    for name, case in CASES.items():
        reference = measure(case, TorchSide, float32=False)
        entries = [check_case(case, reference, check, ["float64"]) for check in ("forward", "backward")]
        for entry in entries:
            if entry["verdict"] != "aligned":
                raise InputError(f"{name} is not aligned: {entry['note'] or entry['blamed']['message']}")
        errors[name] = tuple(max(row["error"] for row in entry["rows"]) for entry in entries)
    return errors


def main(argv=None):
    """Measure, then print or write the table; returns the exit code."""
    parser = running.parser("layer_table", __doc__, "--write", "0 done, 2 something is not aligned")
    parser.add_argument("--write", action="store_true", help="write docs/layers.md too")
    arguments = parser.parse_args(argv)
    return running.run("layer_table", lambda: _run(arguments))


def _run(arguments):
    text = table(measured())
    print(text)
    if arguments.write:
        with atomic.replacing(PAGE, "w") as file:
            file.write(f"{INTRO}{text}\n")
