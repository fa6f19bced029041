"""Measure speed on this machine, side by side in one run; figures are ratios of medians.

    python tools/bench.py runtime                  what the settings of paddle_ugatit/backend/runtime.py are worth
    python tools/bench.py iteration --size 128     one training iteration, PyTorch's and ours
    python tools/bench.py savings --size 128       our iteration, and what it costs without each of its savings
    python tools/bench.py infer --size 256         one picture through the generator, PyTorch's, ours, ONNX Runtime's
    python tools/bench.py kid                      KID, against torch-fidelity on the same features

Each variant runs in processes of its own, one at a time, since the settings must stand before a framework is loaded;
the variants take turns, so that a noisy machine disturbs all alike. CPU time disturbs less than wall time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SETTINGS = {
    "off": "off",
    "BLAS path": "blas",
    "BLAS path, malloc": "blas,malloc",
    "BLAS path, malloc, threads": "all",
}
# What of the environment decides how fast a framework is; every variant starts without.
SPEED_VARIABLES = ("MKL_", "OMP_", "KMP_", "MALLOC_", "FLAGS_", "PADDLE_UGATIT_RUNTIME")
# The other frameworks as they come: the harness that runs them sets the process up for Paddle, and would speed them up.
AS_IT_COMES = {"PADDLE_UGATIT_RUNTIME": "off"}
# glibc's own variables for what paddle_ugatit/backend/runtime.py sets by mallopt.
KEEP_BUFFERS = AS_IT_COMES | {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
SIDE = [sys.executable, str(ROOT / "align" / "bench" / "side.py")]  # one side of a comparison, a process of its own
PLAIN, OURS, WITHOUT = "PyTorch, as published", "ours", "without: "
BASES = PLAIN, OURS  # what ratios are relative to: the first of them that was measured
# name -> (side of align/bench/side.py, environment)
VARIANTS = {
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
        "ONNX Runtime": ("onnx", AS_IT_COMES),  # needs onnx and onnxruntime, which the project does not
        OURS: ("paddle", {}),
    },
}
# One forward and backward of the light generator, after one to warm up; prints seconds of wall time.
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


def environment(**settings):
    """This process's environment without what decides speed, and with `settings`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(SPEED_VARIABLES)}
    return kept | {"PYTHONPATH": str(ROOT)} | settings


def output_of(name, command, settings):
    """What the command prints; RuntimeError with its last line of complaint where it fails."""
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True)
    if done.returncode:
        complaint = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"the run of {name!r} failed: {complaint[0]}")
    return done.stdout


def seconds(setting, size):
    """Wall time of one forward and backward of the light generator under this setting of the switch."""
    command = [sys.executable, "-c", WORK.format(size=size)]
    return float(output_of(setting, command, {"PADDLE_UGATIT_RUNTIME": setting}).split()[-1])


def runtime(arguments):
    """Time every setting in turn, and print a table."""
    times = {name: [] for name in SETTINGS}
    for _ in range(arguments.repeat):
        for name, setting in SETTINGS.items():
            times[name].append(seconds(setting, arguments.size))
            print(f"{name}: {times[name][-1]:.2f} s", file=sys.stderr, flush=True)
    base = statistics.median(times["off"])
    print(f"light generator, {arguments.size} px, batch 1, forward and backward, median of {arguments.repeat}")
    print("| settings | seconds | speed |\n|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} | {base / median:.1f} x |")


def variants(what):
    """Those of VARIANTS; of "savings" ours, and ours without each of what the side lists."""
    if what != "savings":
        return VARIANTS[what]
    names = output_of(what, [*SIDE, "savings", "paddle"], {}).splitlines()
    return {OURS: ("paddle", {})} | {f"{WITHOUT}{name}": ("paddle", {}) for name in names}


def turns(what, name, variant, config, arguments):
    """Costs of `--turns` pieces of work by this variant, in a process of its own."""
    side, settings = variant
    settings = settings | {"OMP_NUM_THREADS": str(arguments.threads)}
    command = [*SIDE, "iteration" if what == "savings" else what, side, "--config", json.dumps(config)]
    command += ["--turns", str(arguments.turns)]
    if name.startswith(WITHOUT):
        command += ["--without", name.removeprefix(WITHOUT)]
    return [json.loads(line) for line in output_of(name, command, settings).splitlines()]


def compare(arguments):
    """Let the variants work in turn, and print a table. One that fails stands there with its reason."""
    from paddle_ugatit.training import Config

    what = arguments.what
    config = asdict(Config(light=not arguments.full, ch=arguments.ch, n_res=arguments.n_res, img_size=arguments.size))
    known = variants(what)
    chosen = [name for name in known if not arguments.only or any(part in name for part in arguments.only)]
    costs, failures = {name: [] for name in chosen}, {}
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
        f"{what}: {kind} model, ch {arguments.ch}, n_res {arguments.n_res}, {arguments.size} px, batch 1, "
        f"{arguments.threads} thread(s), medians of {arguments.repeat} x {arguments.turns}"
    )
    print(table(costs, failures))
    if failures and len(failures) == len(chosen):
        raise RuntimeError("no variant could be measured")


def table(costs, failures):
    """Markdown: median CPU and wall seconds, their ratios to the first of BASES, and the peak of memory."""
    lines = ["| variant | CPU s | ratio | wall s | ratio | peak GiB |", "|---|---|---|---|---|---|"]
    medians = {
        name: {key: statistics.median(cost[key] for cost in values) for key in ("cpu", "wall")}
        for name, values in costs.items()
        if values
    }
    base = next((medians[name] for name in BASES if name in medians), None)
    for name in costs:
        if name in failures:
            lines.append(f"| {name} | {failures[name]} |||||")
            continue
        cells = []
        for key in ("cpu", "wall"):
            ratio = f"{medians[name][key] / base[key]:.2f}" if base else ""
            cells += [f"{medians[name][key]:.2f}", ratio]
        peak = max(cost["peak"] for cost in costs[name])
        lines.append(f"| {name} | {' | '.join(cells)} | {peak:.1f} |")
    return "\n".join(lines)


def main(argv=None):
    """Run one benchmark; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["kid"]:  # the side that may hold the other framework has options of its own
        return subprocess.run([sys.executable, str(ROOT / "align" / "bench" / "metric.py"), *argv[1:]]).returncode
    example = "example: python tools/bench.py iteration --size 256 --only published ours"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=example)
    parser.add_argument("what", choices=["runtime", "iteration", "savings", "infer", "kid"])
    parser.add_argument("--size", type=int, default=128, metavar="N", help="image size (128)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="processes per variant (3)")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="iterations per process that count (2)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of all but runtime (1)")
    parser.add_argument("--ch", type=int, default=64, metavar="N", help="channels of the first layer (64)")
    parser.add_argument("--n-res", type=int, default=4, metavar="N", help="residual blocks (4)")
    parser.add_argument("--full", action="store_true", help="the full generator instead of the light one")
    parser.add_argument("--only", nargs="+", metavar="PART", help="only variants whose name has one of these parts")
    arguments = parser.parse_args(argv)
    try:
        runtime(arguments) if arguments.what == "runtime" else compare(arguments)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
