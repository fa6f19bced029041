"""Compare variants of one piece of work, each in processes of its own that take turns: PyTorch's, ours, exports of it.

Contents: runtime (the settings of paddle_ugatit/backend/runtime.py), compare (iteration, savings, infer), VARIANTS.
tools/bench.py runs them.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from align.bench import machine  # noqa: E402  after the path

SETTINGS = {
    "off": "off",
    "BLAS path": "blas",
    "BLAS path, malloc": "blas,malloc",
    "BLAS path, malloc, threads": "blas,malloc,threads",
    "BLAS path, malloc, threads, waiting": "all",
}
# Environment variables that affect speed; every variant starts without them.
SPEED_VARIABLES = ("MKL_", "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MALLOC_", "FLAGS_", "PADDLE_UGATIT_RUNTIME")
# The other frameworks as installed: the harness sets the process up for Paddle, which would speed them up as well.
AS_IT_COMES = {"PADDLE_UGATIT_RUNTIME": "off"}
# glibc's variables for what paddle_ugatit/backend/runtime.py sets with mallopt.
KEEP_BUFFERS = AS_IT_COMES | {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
SIDE = [sys.executable, str(ROOT / "align" / "bench" / "side.py")]  # one side of a comparison, in its own process
PLAIN, OURS, WITHOUT = "PyTorch, as published", "ours", "without: "
BEFORE = "ours, before"  # the code in another folder
LEAST_DEEP = 96  # pixels from which seven layers of a discriminator fit; the demo's depths below
BASES = PLAIN, OURS  # ratios are relative to the first of these that was measured
# name -> (side of align/bench/side.py, environment)
VARIANTS: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "iteration": {
        PLAIN: ("torch-plain", AS_IT_COMES),
        "PyTorch, as published, our malloc settings": ("torch-plain", KEEP_BUFFERS),
        "PyTorch, the same savings": ("torch-saving", AS_IT_COMES),
        "PyTorch, the same savings, our malloc settings": ("torch-saving", KEEP_BUFFERS),
        "PyTorch, the same savings, torch.compile": ("torch-compiled", AS_IT_COMES),
        OURS: ("paddle", {}),
    },
    "infer": {
        PLAIN: ("torch-plain", AS_IT_COMES),
        "PyTorch, torch.compile": ("torch-compiled", AS_IT_COMES),
        "PyTorch's export, ONNX Runtime": ("onnx", AS_IT_COMES),  # needs onnx and onnxruntime, no requirements
        "our export, ONNX Runtime": ("export-onnx", AS_IT_COMES),  # needs onnxruntime
        "our export, OpenVINO in float32": ("export-openvino", AS_IT_COMES),  # needs openvino, no requirement either
        "our export, paddle.inference": ("export-paddle", AS_IT_COMES),
        "our export, paddle.inference with oneDNN": ("export-onednn", AS_IT_COMES),
        OURS: ("paddle", {}),
    },
}
# One forward and backward pass of the light generator, after one to warm up; prints seconds of wall time.
WORK = """
import time, paddle_ugatit, paddle
network = paddle_ugatit.ResnetGenerator(3, 3, n_blocks=4, light=True)
image = paddle.randn([1, 3, {size}, {size}])
for _ in range(2):
    start = time.perf_counter()
    picture, logit, heatmap = network(image)
    (picture.mean() + logit.sum() + heatmap.mean()).backward()
    seconds = time.perf_counter() - start
print(seconds)
"""


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment without the variables that affect speed, and with `settings`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(SPEED_VARIABLES)}
    return kept | {"PYTHONPATH": str(ROOT)} | settings


def output_of(name: str, command: list[str], settings: dict[str, str]) -> str:
    """Return what a command prints. Raises RuntimeError with the last line of its stderr if it fails."""
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True)
    if done.returncode:
        complaint = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"the run of {name!r} failed: {complaint[0]}")
    return done.stdout


def seconds(setting: str, size: int) -> float:
    """Return the wall time of one forward and backward pass of the light generator with this setting of the switch."""
    command = [sys.executable, "-c", WORK.format(size=size)]
    return float(output_of(setting, command, {"PADDLE_UGATIT_RUNTIME": setting}).split()[-1])


def runtime(arguments: argparse.Namespace) -> None:
    """Time every setting in turn and print a table."""
    times: dict[str, list[float]] = {name: [] for name in SETTINGS}
    watch = machine.Watch()
    for _ in range(arguments.repeat):
        for name, setting in SETTINGS.items():
            times[name].append(seconds(setting, arguments.size))
            print(f"{name}: {times[name][-1]:.2f} s", file=sys.stderr, flush=True)
    base, mark = statistics.median(times["off"]), watch.mark()
    print(f"light generator, {arguments.size} px, batch 1, forward and backward, median of {arguments.repeat}")
    print("| settings | seconds | speed |\n|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} | {base / median:.1f} x{mark} |")


def variants(what: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the variants of VARIANTS; for "savings" ours, and ours without each of the savings."""
    if what != "savings":
        return VARIANTS[what]
    names = output_of(what, [*SIDE, "savings", "paddle"], {}).splitlines()
    return {OURS: ("paddle", {})} | {f"{WITHOUT}{name}": ("paddle", {}) for name in names}


def _options(folder: Path) -> set[str]:
    """The names of U-GAT-IT's options in another checkout, which may lack newer ones."""
    files = [folder / "paddle_ugatit" / "training" / name for name in ("options.py", "ugatit.py")]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return {name for text in texts for name in re.findall(r"^    (\w+): ", text, re.M)}


def turns(
    what: str, name: str, variant: tuple[str, dict[str, str]], config: dict, arguments: argparse.Namespace
) -> list[dict[str, float]]:
    """Return the costs of `--turns` pieces of work by this variant, done in their own process."""
    side, settings = variant
    settings = settings | {"OMP_NUM_THREADS": str(arguments.threads)}
    script = SIDE
    if name == BEFORE:
        settings["PYTHONPATH"] = arguments.before
        script = [sys.executable, str(Path(arguments.before) / "align" / "bench" / "side.py")]
        known = _options(Path(arguments.before))
        config = {option: value for option, value in config.items() if option in known}
    command = [*script, "iteration" if what == "savings" else what, side, "--config", json.dumps(config)]
    command += ["--turns", str(arguments.turns)]
    if name.startswith(WITHOUT):
        command += ["--without", name.removeprefix(WITHOUT)]
    return [json.loads(line) for line in output_of(name, command, settings).splitlines()]


def compare(arguments: argparse.Namespace) -> None:
    """Measure the variants in turn and print a table; a variant that fails is listed with the reason.

    Raises RuntimeError if none could be measured.
    """
    from paddle_ugatit.training import Config

    what = arguments.what
    size = {"img_size": arguments.size, "batch_size": arguments.batch}
    depth = {} if arguments.size >= LEAST_DEEP else {"global_layers": 5, "local_layers": 4}
    shape = {"light": not arguments.full, "ch": arguments.ch, "n_res": arguments.n_res}
    config = asdict(Config(**shape, **size, **depth, recompute=arguments.recompute))
    known = variants(what)
    if arguments.before:
        known = known | {BEFORE: known[OURS]}
    wanted = arguments.only or [""]
    # A whole name means that variant alone.
    chosen = [name for name in known if any(part == name if part in known else part in name for part in wanted)]
    chosen += [BEFORE] if arguments.before and BEFORE not in chosen else []
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    failures: dict[str, str] = {}
    for _ in range(arguments.repeat):
        for name in chosen:
            if name in failures:
                continue
            try:
                costs[name] += turns(what, name, known[name], config, arguments)
                print(f"{name}: {costs[name][-1]['cpu']:.2f} s of CPU time", file=sys.stderr, flush=True)
            except RuntimeError as error:
                failures[name] = str(error)
    kind = "full" if arguments.full else "light"
    print(
        f"{what}: {kind} model, ch {arguments.ch}, n_res {arguments.n_res}, {arguments.size} px, "
        f"batch {arguments.batch}, {arguments.threads} thread(s), medians of {arguments.repeat} x {arguments.turns}"
    )
    print(table(costs, failures))
    if failures and len(failures) == len(chosen):
        raise RuntimeError("no variant could be measured")


def table(costs: dict[str, list[dict[str, float]]], failures: dict[str, str]) -> str:
    """Return a Markdown table of median CPU and wall seconds, their ratios to the first of BASES, and peak memory.

    A ratio is marked if other processes computed during the turns of either side.
    """
    lines = ["| variant | CPU s | ratio | wall s | ratio | peak GiB |", "|---|---|---|---|---|---|"]
    medians = {
        name: {key: statistics.median(cost[key] for cost in values) for key in ("cpu", "wall")}
        for name, values in costs.items()
        if values
    }
    marks = {name: marked(values) for name, values in costs.items()}
    first = next((name for name in BASES if name in medians), None)
    for name in costs:
        if name in failures:
            lines.append(f"| {name} | {failures[name]} |||||")
            continue
        cells = []
        for key in ("cpu", "wall"):
            ratio = ""
            if first:
                ratio = f"{medians[name][key] / medians[first][key]:.2f}{marks[name] or marks[first]}"
            cells += [f"{medians[name][key]:.2f}", ratio]
        peak = max(cost["peak"] for cost in costs[name])
        lines.append(f"| {name} | {' | '.join(cells)} | {peak:.2f} |")
    return "\n".join(lines)


def marked(costs: list[dict[str, float]]) -> str:
    """Return what stands behind ratios of these turns; a median bears that fewer than half of them were disturbed."""
    others = [cost.get("others") for cost in costs]  # code of before may not print it
    return machine.mark(None if None in others else statistics.median(others)) if others else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one comparison and return the exit code."""
    example = "example: python tools/bench.py iteration --size 256 --only published ours"
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n")[0], epilog=example)
    names = ["runtime", "iteration", "savings", "infer"]
    parser.add_argument("what", choices=names, help="what to measure")
    parser.add_argument("--device", metavar="NAME", help="count instead, on cpu or gpu; with --help of its own")
    parser.add_argument("--size", type=int, default=128, metavar="N", help="image size (128)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="processes per variant (3)")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="timed iterations per process (2)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads, except for runtime (1)")
    parser.add_argument("--ch", type=int, default=64, metavar="N", help="channels of the first layer (64)")
    parser.add_argument("--n-res", type=int, default=4, metavar="N", help="residual blocks (4)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images in a batch (1)")
    parser.add_argument("--full", action="store_true", help="the full generator instead of the light one")
    parser.add_argument("--recompute", action="store_true", help="our iteration with the option recompute=true")
    parser.add_argument("--before", metavar="FOLDER", help="measure the code in another checkout, too")
    parser.add_argument(
        "--only", nargs="+", metavar="PART", help="only variants of these names, or whose names contain these"
    )
    arguments = parser.parse_args(argv)
    try:
        with machine.watched(None if arguments.what == "runtime" else arguments.threads):
            runtime(arguments) if arguments.what == "runtime" else compare(arguments)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"bench: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
