"""How time and memory grow with pixels, channels, batch, images of KID and processes; one thread, a table and a plot.

python tools/bench.py scale [--only training] [--write]

Every size is measured in a process of its own: the CPU time of its work, after one that is not counted, and the memory
by which its peak exceeds that of a process that has only loaded the package. The exponent p of size^p is fitted to the
logarithms; beside it stands the exponent that the formulas demand. --write puts table and plot into docs/speed.md and
docs/img/scale.svg. Exit code: 0 measured, 1 something grows by more than 0.2 faster than it must, or failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from align.bench import machine  # noqa: E402  after the path
from align.bench.compare import environment  # noqa: E402
from align.bench.side import turn  # noqa: E402
from align.report.growth import Curve, exponent, growth_chart  # noqa: E402
from paddle_ugatit.formats import atomic  # noqa: E402

PAGE, PICTURE = ROOT / "docs" / "speed.md", ROOT / "docs" / "img" / "scale.svg"
BEGIN, END = "<!-- bench.py scale: begin -->", "<!-- bench.py scale: end -->"
BEYOND = 0.2  # of an exponent, above what the formulas demand
DIMENSIONS = 2048


def training(**options: Any) -> Callable[[], object]:
    """Return a function that makes one iteration of the light model with these options."""
    from paddle_ugatit.training import Config, Trainer, plan

    config = Config(**({"light": True, "ch": 16, "n_res": 4, "img_size": 96} | options))
    trainer, batch = Trainer(config), plan.random_batch(config)
    return lambda: trainer.step(*batch)


def translation(size: int) -> Callable[[], object]:
    """Return a function that translates an image of size^2 pixels with 32 channels."""
    import numpy as np

    import paddle_ugatit
    from paddle_ugatit.inference.translate import generate

    network = paddle_ugatit.ResnetGenerator(3, 3, ngf=32, n_blocks=4, light=True)
    network.eval()
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, size, size)).astype("float32")
    return lambda: generate(network, image)


def _features(samples: int) -> Any:
    import numpy as np

    # In place: what counts as memory is what the work itself takes.
    return np.random.default_rng(0).standard_normal((samples, DIMENSIONS), np.float32)


def distance(samples: int) -> Callable[[], object]:
    """Return a function that computes KID between two sets of so many features."""
    from paddle_ugatit.metrics import kid

    x, y = _features(samples), _features(samples)
    y += 0.1
    return lambda: kid(x, y)


def gathering(samples: int) -> Callable[[], object]:
    """Return a function that gathers so many features, of which each of the processes has computed its share."""
    from paddle_ugatit.metrics import parallel

    parallel.start()
    rank, world = parallel.place()
    mine = _features(-(-(samples - rank) // world))
    return lambda: parallel.interleaved(mine, samples)


class Series(NamedTuple):
    """One kind of work at growing sizes, and the exponents of time and memory that its formulas demand."""

    what: str  # that grows
    sizes: tuple[int, ...]
    make: Callable[[int], Callable[[], object]]
    size: Callable[[int], int]  # what is counted
    time: float
    memory: float
    processes: int = 1


def _same(value: int) -> int:
    return value


def _square(value: int) -> int:
    return value**2


SERIES = {
    "training by pixels": Series(
        "pixels (96 to 256 px)", (96, 128, 192, 256), lambda n: training(img_size=n), _square, 1, 1
    ),
    "training by channels": Series("channels", (8, 16, 32, 64), lambda n: training(ch=n), _same, 2, 2),
    "training by batch": Series("images in a batch", (1, 2, 4, 8), lambda n: training(batch_size=n), _same, 1, 1),
    "translation by pixels": Series("pixels (128 to 1024 px)", (128, 256, 512, 1024), translation, _square, 1, 1),
    "KID by images": Series("images a side", (1000, 2500, 5000, 10_000, 20_000, 50_000), distance, _same, 2, 1),
    "features of 2 processes": Series("images", (5000, 10_000, 20_000, 50_000), gathering, _same, 1, 1, processes=2),
}


def _peak() -> float:
    """The GiB that this process has held at most."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 2**20


def point(name: str, size: int) -> None:
    """Measure one size in this process, and print what it cost."""
    import paddle

    import paddle_ugatit.training  # noqa: F401

    paddle.matmul(paddle.ones([8, 8]), paddle.ones([8, 8])).numpy()
    before = _peak()
    work = SERIES[name].make(size)
    work()
    cost = turn(work)
    cost["peak"] = _peak() - before
    if os.environ.get("PADDLE_TRAINER_ID", "0") == "0":
        target = os.environ.get("BENCH_SCALE_OUT")
        Path(target).write_text(json.dumps(cost)) if target else print(json.dumps(cost))


def measured(name: str, size: int) -> dict[str, float]:
    """Return the cost of one size, measured in processes of its own. Raises RuntimeError if one fails."""
    series = SERIES[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cost.json"
        launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(series.processes)]
        launcher += ["--log_dir", folder] if series.processes > 1 else []
        command = [sys.executable, *(launcher if series.processes > 1 else []), str(Path(__file__).resolve())]
        settings = environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", BENCH_SCALE_OUT=str(out))
        done = subprocess.run([*command, "--point", name, str(size)], env=settings, capture_output=True, text=True)
        if done.returncode or not out.is_file():
            words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise RuntimeError(f"{name} at {size} failed: {words[-1]}")
        return json.loads(out.read_text())


def table(curves: dict[str, Curve], marks: dict[str, str]) -> tuple[list[str], bool]:
    """Return the table's lines, and whether nothing grows faster than it must."""
    lines = [
        "| | of | CPU s | GiB | time grows as | must | memory grows as | must |",
        "|---|---|---|---|---|---|---|---|",
    ]
    fine = True
    for name, curve in curves.items():
        series, mark = SERIES[name], marks[name]
        found = [exponent(curve.sizes, values) for values in (curve.seconds, curve.gib)]
        allowed = series.time, series.memory
        fine &= all(power is None or power <= most + BEYOND for power, most in zip(found, allowed, strict=True))
        times, memory = (", ".join(f"{value:.3g}" for value in values) for values in (curve.seconds, curve.gib))
        powers = ["" if power is None else f"n^{power:.2f}{mark}" for power in found]
        sizes = ", ".join(f"{size}" for size in series.sizes[: len(curve.sizes)])
        cells = [name, f"{series.what}: {sizes}", times, memory]
        cells += [powers[0], f"n^{allowed[0]:g}", powers[1], f"n^{allowed[1]:g}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines, fine


def write(lines: Sequence[str], curves: dict[str, Curve]) -> None:
    """Put the table between the marks of docs/speed.md, and the plot beside it. Raises ValueError without marks."""
    page = PAGE.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{PAGE}: needs the lines {BEGIN} and {END}")
    picture = "![How time and memory grow](img/scale.svg)\n\n*`python tools/bench.py scale --write`*"
    text = "\n".join([BEGIN, "", *lines, "", picture, "", END])
    page = page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]
    for path, content in (
        (PAGE, page),
        (PICTURE, growth_chart(list(curves.values()), "One thread: what growth costs")),
    ):
        with atomic.replacing(path, "w") as file:
            file.write(content)


def run(names: Sequence[str], to_write: bool) -> bool:
    """Measure the series, print the table, and return whether nothing grows faster than it must."""
    curves, marks = {}, {}
    with machine.watched(threads=1) as whole:
        for name in names:
            series, watch, costs = SERIES[name], machine.Watch(), []
            for size in series.sizes:
                costs.append(measured(name, size))
                print(f"{name}, {size}: {costs[-1]['cpu']:.3g} s", file=sys.stderr, flush=True)
            marks[name] = watch.mark()
            seconds, gib = ([cost[key] for cost in costs] for key in ("cpu", "peak"))
            curves[name] = Curve(name, [series.size(size) for size in series.sizes], seconds, gib)
        lines, fine = table(curves, marks)
        print(*lines, sep="\n")
    if to_write:
        said = [*machine.description(1), machine.summary(whole)]
        write([*(f"- {line}" for line in said), "", *lines], curves)
    return fine


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench scale", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="PART", help="only work whose name contains one of these")
    parser.add_argument("--write", action="store_true", help="write docs/speed.md and docs/img/scale.svg; takes all")
    parser.add_argument("--point", nargs=2, metavar=("NAME", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.point:
        point(arguments.point[0], int(arguments.point[1]))
        return 0
    if arguments.write and arguments.only:
        parser.error("--write takes all work: leave out --only")
    names = [name for name in SERIES if not arguments.only or any(part in name for part in arguments.only)]
    if not names:
        parser.error(f"--only must be part of one of: {', '.join(SERIES)}")
    try:
        fine = run(names, arguments.write)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"bench: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if not fine:
        print(f"bench: something grows faster than it must, by more than {BEYOND}", file=sys.stderr)
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
