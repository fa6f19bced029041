"""The command line of check_forward.py and check_backward.py."""

import os
import sys
import time
from dataclasses import fields
from importlib.util import find_spec

from align.cases import CASES, chosen
from align.checks import running
from align.checks.layers import case_entry, check_case
from align.compare.raised import on_side
from align.compare.recording import load_recording
from align.compare.reference import NotComparable, measure
from align.compare.sides import torch_side_of
from align.report.document import case_line, document, exit_code, layer_lines, write_report
from paddle_ugatit.backend import runtime
from paddle_ugatit.cli import command
from paddle_ugatit.formats import file_of, sha256

SHIPPED = "align/recordings/small.safetensors"


def parser(check):
    """Return the parser of the command line of "forward" or "backward"."""
    about = f"Compare the {check} pass of Paddle with PyTorch, layer by layer."
    result = running.parser(f"check_{check}", about, "adailn generator-light --html parity.html")
    result.add_argument("cases", nargs="*", metavar="CASE", help="cases to run (all); --list prints their names")
    result.add_argument("--list", action="store_true", help="print the names of the cases and exit")
    result.add_argument(
        "--weights", metavar="FILE", help="compare the networks of this checkpoint, of either framework"
    )
    result.add_argument("--pair", metavar="FILE", help="compare your own pair of models, see docs/pair.md")
    result.add_argument("--suggest", action="store_true", help="print what the --pair file lacks to match all weights")
    result.add_argument(
        "--revision", choices=["current", "initial", "tensorflow"], help="revision of the networks in --weights"
    )
    result.add_argument("--size", type=int, metavar="N", help="image size for --weights (256, or as the model demands)")
    result.add_argument("--batch", type=int, default=1, metavar="N", help="batch size for --weights (1)")
    result.add_argument("--dtype", choices=["float64", "float32", "both"], default="both", help="precision (both)")
    result.add_argument("--image", metavar="FILE", help="feed the networks this picture instead of noise")
    result.add_argument("--reference", metavar="FILE", help="compare with a recording instead of PyTorch")
    result.add_argument("--seed", type=int, default=0, metavar="K", help="seed of weights, inputs and gradients (0)")
    running.add_report(result)
    result.add_argument("--reprod-log", metavar="DIR", help="with --pair: write both sides' results as reprod_log does")
    result.add_argument("--repro", metavar="DIR", help="write a script that reproduces the first difference")
    result.add_argument("--layers", choices=["all", "failed", "none"], default="all", help="tables to print (all)")
    return result


def main(check, argv=None):
    """Run the check; returns the exit code."""
    arguments = parser(check).parse_args(argv)
    if arguments.list:
        print("\n".join(CASES))
        return 0
    return running.run(f"check_{check}", lambda: _run(check, arguments), (ValueError,))


def _run(check, arguments):
    command.require(arguments, seed=command.SEED, size=command.SIZE, batch=command.WIDTH)
    command.prepare_outputs(arguments.json, arguments.html)
    if arguments.repro:
        command.prepare_folder(arguments.repro)
    start = time.perf_counter()
    if arguments.reprod_log and not arguments.pair:
        raise ValueError("--reprod-log needs --pair, your own pair of models")
    if arguments.suggest:
        return _suggest(arguments)
    for line in runtime.SETTINGS:
        print(line)
    running.use_device(arguments)
    dtypes = ["float64", "float32"] if arguments.dtype == "both" else [arguments.dtype]
    work, about = _plan(check, arguments, "float32" in dtypes)
    entries = []
    for number, (case, get_reference) in enumerate(work, 1):
        _progress(f"[{number}/{len(work)}] {case.name}: PyTorch", start)
        try:
            reference = get_reference()
        except NotComparable as error:
            entries.append(_not_comparable(check, case, arguments, error))
            continue
        _progress(f"[{number}/{len(work)}] {case.name}: Paddle", start)
        entry = check_case(case, reference, check, dtypes, causes=True)
        if arguments.repro and entry["blamed"] and not any(done["blamed"] for done in entries):
            entry["repro"] = _repro(check, arguments, case, reference, entry)
        if arguments.reprod_log:
            for path in _reprod_log(arguments, check, case, reference):
                print(f"    written: {path}")
        del reference  # free gigabytes before the next one is computed
        _progress("", start)
        print(case_line(entry), flush=True)
        if "repro" in entry:
            print(f"    reproduce with: python {entry['repro']}")
        if arguments.layers == "all" or (arguments.layers == "failed" and entry["verdict"] != "aligned"):
            print(layer_lines(entry), flush=True)
        if entry["verdict"] == "not comparable":
            command.failed(f"check_{check}", f"{case.name}: {entry['note']}", 2)
        entries.append(entry)
    report = document(check, entries, time.perf_counter() - start, arguments.seed, **about)
    for kind, path in write_report(report, arguments).items():
        print(f"{kind}: {path}")
    print(f"{report['verdict'].upper()}: {report['summary']}; {report['seconds']:.0f} s, {report['peak_gib']:.1f} GiB")
    return exit_code(report["verdict"])


def _reprod_log(arguments, check, case, reference):
    """Write the files that reviewers of a reproduction expect; returns their paths."""
    from align.checks.reprod_log import written

    with on_side("Paddle"):
        return written(arguments.reprod_log, check, case, reference)


def _suggest(arguments):
    """Print entries for the pair file; returns 0 if every array has its partner already, 1 if not."""
    from align.cases.pair import load_pair
    from align.checks.suggest import lines_of, suggested

    if not arguments.pair:
        raise ValueError("--suggest needs --pair, the file to complete")
    case = load_pair(arguments.pair)
    reference = measure(case, torch_side_of(case), arguments.seed, backward=False, float32=False)
    with on_side("Paddle"):
        entries, remaining = suggested(case, reference)
    if not entries and not remaining:
        print(f"{arguments.pair}: every array has its partner")
        return 0
    print("\n".join(lines_of(entries)))
    if remaining:
        print(f"# no entry is found for {', '.join(remaining)}")
    return 1


def _not_comparable(check, case, arguments, error):
    """The entry of a case that PyTorch cannot run; says so."""
    entry = case_entry(case, arguments.seed, "not comparable", str(error), time.perf_counter())
    print(case_line(entry), flush=True)
    command.failed(f"check_{check}", f"{case.name}: {error}", 2)
    return entry


def _repro(check, arguments, case, reference, entry):
    """Write the script that reproduces the difference; returns its path."""
    from align.checks import repro
    from align.compare.verdict import Row

    names = {field.name for field in fields(Row)}
    blamed = Row(**{name: value for name, value in entry["blamed"].items() if name in names})
    if arguments.pair:
        imports, expression = (
            "from align.cases.pair import load_pair",
            f"load_pair({os.path.abspath(arguments.pair)!r})",
        )
    elif arguments.weights:
        given = os.path.abspath(arguments.weights), arguments.revision, arguments.size, arguments.batch
        imports = "from align.cases.real_weights import network_cases"
        expression = f"network_cases{given!r}[0][{case.name!r}]"
    else:
        imports, expression = "from align.cases import CASES", f"CASES[{case.name!r}]"
    return str(repro.write(arguments.repro, case, imports, expression, reference, blamed, check))


def _progress(text, start):
    """Show a line that the next one overwrites, on a terminal only."""
    if sys.stderr.isatty():
        text = f"{text} ({time.perf_counter() - start:.0f} s)" if text else ""
        sys.stderr.write(f"\r\x1b[K{text[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]}")
        sys.stderr.flush()


def _plan(check, arguments, float32):
    """[(case, function that returns its reference)], and the report's facts about reference and weights."""
    if arguments.reference:
        return _recorded(arguments)
    if find_spec("torch") is None:
        raise NotComparable(f"PyTorch is not installed: compare with the shipped recording, --reference {SHIPPED}")
    from align.compare.torch_side import TorchSide

    backward = check == "backward"
    weights = {}
    about = {"reference": {"kind": "live", "file": None, "torch": TorchSide.version}, "weights": None}
    if arguments.pair:
        from align.cases.pair import load_pair

        for option in ("weights", "image", "size", "revision"):
            if getattr(arguments, option):
                raise ValueError(f"--{option} cannot be combined with --pair: the file says what is compared")
        pair = load_pair(arguments.pair)
        cases = {pair.name: pair}
    elif arguments.weights:
        from align.cases.real_weights import network_cases

        cases, weights = network_cases(arguments.weights, arguments.revision, arguments.size, arguments.batch)
        about["weights"] = {"file": arguments.weights, "sha256": sha256(file_of(arguments.weights))}
    else:
        cases = CASES
    picture = _load_picture(arguments.image) if arguments.image else None
    if picture and not arguments.cases:
        cases = {name: case for name, case in cases.items() if case.network}

    def reference_of(case):
        inputs = _pictures(picture, case) if picture else None
        return measure(
            case, torch_side_of(case), arguments.seed, weights.pop(case.name, None), inputs, backward, float32
        )

    return [(case, lambda case=case: reference_of(case)) for case in chosen(cases, arguments.cases)], about


def _recorded(arguments):
    for option in ("weights", "image", "size", "revision", "repro"):
        if getattr(arguments, option):
            raise ValueError(f"--{option} cannot be combined with --reference: a recording has its own")
    pair = None
    if arguments.pair:
        from align.cases.pair import load_pair

        pair = load_pair(arguments.pair)
    pairs, manifest = load_recording(arguments.reference, pair)
    references = {case.name: reference for case, reference in pairs}
    cases = chosen({case.name: case for case, _ in pairs}, arguments.cases)
    about = {"kind": "recording", "file": arguments.reference, "torch": manifest["versions"]["torch"]}
    work = [(case, lambda name=case.name: references[name]) for case in cases]
    return work, {"reference": about, "weights": None}


def _load_picture(path):
    from paddle_ugatit.data.images import ImageError, read_picture

    try:
        return read_picture(path)
    except ImageError as error:
        raise ValueError(f"cannot be read as a picture: {error}") from None


def _pictures(picture, case):
    """The picture at the case's size, in [-1, 1], for every call of a network."""
    import numpy as np

    from align.cases import representable

    batch, channels, height, width = case.shapes[0] if len(case.shapes[0]) == 4 else (0, 0, 0, 0)
    if channels != 3:
        raise ValueError(f"--image is for networks, not for the layer case {case.name}")
    pixels = np.asarray(picture.resize((width, height)), "float64").transpose(2, 0, 1)
    return [[representable(np.repeat(pixels[None] / 127.5 - 1, batch, 0))]] * case.calls
