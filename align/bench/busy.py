"""Commands on an idle and on a busy machine, with and without the settings that are for the busy one.

python tools/bench.py busy [--only training] [--repeat 3] [--jobs 1]

Busy means: one other job on every core (--jobs N: N on each), which this command starts and ends itself. A command's
fair share of the machine is then half of it, so that it should take twice its time when idle; the figures are the time
taken, divided by that. "before" is PADDLE_UGATIT_RUNTIME=blas,malloc,threads, "after" all of the settings
(paddle_ugatit/backend/runtime.py). The four measurements of a command take turns, each in a process of its own.
Exit code: 0 measured, 1 with the settings a command takes more than 1.3 times its fair share, or something failed.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from align.bench import machine  # noqa: E402  after the path
from align.bench.compare import environment  # noqa: E402

LIMIT = 1.3  # times its fair share that a command may take
SETTINGS = {"before": {"PADDLE_UGATIT_RUNTIME": "blas,malloc,threads"}, "after": {"PADDLE_UGATIT_RUNTIME": "all"}}
# Computes until the process that started it is gone.
JOB = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(10**6): pass"
CONFIGS = ROOT / "work" / "configs"


def trained(name: str) -> Callable[[], object]:
    """Return a function that makes one iteration of a configuration that ships, with the threads of tools/train.py."""
    from paddle_ugatit.backend import runtime
    from paddle_ugatit.training import plan, start

    config = start.configuration(CONFIGS / f"{name}.yaml")
    system, batch = start.system_of(config), plan.random_batch(config)

    def step() -> None:
        with runtime.threads_for(plan.products(config)):
            system.step(*batch)

    return step


def translated() -> Callable[[], object]:
    """Return a function that translates a picture of 256 px with 32 channels."""
    import numpy as np

    import paddle_ugatit
    from paddle_ugatit.inference.translate import generate

    network = paddle_ugatit.ResnetGenerator(3, 3, ngf=32, n_blocks=4, light=True)
    network.eval()
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 256, 256)).astype("float32")
    return lambda: generate(network, picture)


def sampled() -> Callable[[], object]:
    """Return a function that draws 16 pictures with the StyleGAN2 of the demo."""
    from paddle_ugatit.training import start

    system = start.system_of(start.configuration(CONFIGS / "stylegan2_demo.yaml"))
    return lambda: system.sheets(system.networks, {})


def distance(samples: int) -> Callable[[], object]:
    """Return a function that computes KID between two sets of so many random features."""
    import numpy as np

    from paddle_ugatit.metrics import kid

    x, y = np.random.default_rng(0).standard_normal((2, samples, 2048), np.float32)
    return lambda: kid(x, y)


# name -> (what makes the work, how often it is done); None: a whole command
WORK: dict[str, tuple[Callable[[], Callable[[], object]] | None, int]] = {
    "parity case generator-light, whole command": (None, 1),
    "training, demo.yaml": (lambda: trained("demo"), 6),
    "training, stylegan2_demo.yaml": (lambda: trained("stylegan2_demo"), 6),
    "training, sagan_demo.yaml": (lambda: trained("sagan_demo"), 6),
    "training, adain_demo.yaml": (lambda: trained("adain_demo"), 8),
    "sampling, StyleGAN2 of 32 px, 16 pictures": (sampled, 8),
    "translation, 32 channels, 256 px": (translated, 6),
    "KID, 2000 features a side": (lambda: distance(2000), 2),
}
COMMAND = [sys.executable, str(ROOT / "align" / "check_forward.py"), "generator-light", "--layers", "none"]


@contextlib.contextmanager
def jobs(count: int) -> Iterator[None]:
    """Within the block, so many other processes compute without a pause."""
    started = [subprocess.Popen([sys.executable, "-c", JOB]) for _ in range(count)]
    try:
        yield
    finally:
        for job in started:
            job.kill()
        for job in started:
            job.wait()  # so that their time counts as the benchmark's own


def seconds(name: str, setting: str, busy: int) -> float:
    """Return the wall seconds of one piece of work, in a process of its own beside so many jobs.

    Raises RuntimeError with the last line of its stderr if it fails.
    """
    whole = WORK[name][0] is None
    command = COMMAND if whole else [sys.executable, str(Path(__file__).resolve()), "--work", name]
    with jobs(busy):
        start = time.perf_counter()
        done = subprocess.run(command, env=environment(**SETTINGS[setting]), capture_output=True, text=True)
        spent = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{name!r} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return spent if whole else float(json.loads(done.stdout.splitlines()[-1]))


def work(name: str) -> None:
    """Do a piece of work, twice to warm up, and print the mean seconds of the later times."""
    make, times = WORK[name]
    assert make is not None
    do, spent = make(), []
    for turn in range(times + 2):
        start = time.perf_counter()
        do()
        spent += [time.perf_counter() - start] * (turn >= 2)
    print(json.dumps(statistics.mean(spent)))


def table(names: Sequence[str], repeat: int, count: int) -> bool:
    """Print a row for each piece of work; return whether all keep to LIMIT with the settings."""
    slower = 1 + count / machine.cores()
    print(f"{count} other jobs when busy; medians of {repeat}; share: time when busy / ({slower:g} x time when idle)")
    print("| | idle, s | before | busy, s | before | share | before |\n|---|---|---|---|---|---|---|")
    kept = True
    for name in names:
        watch = machine.Watch()
        found: dict[tuple[str, int], list[float]] = {}
        for _ in range(repeat):
            for busy in (0, count):
                for setting in SETTINGS:
                    found.setdefault((setting, busy), []).append(seconds(name, setting, busy))
        median = {key: statistics.median(values) for key, values in found.items()}
        mark = watch.mark()
        shares = {s: median[s, count] / median[s, 0] / slower for s in SETTINGS}
        kept = kept and shares["after"] <= LIMIT
        cells = [f"{median[s, busy]:.3g}" for busy in (0, count) for s in ("after", "before")]
        cells += [f"{shares[s]:.2f}{mark}" for s in ("after", "before")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return kept


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench busy", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="PART", help="only work whose name contains one of these")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="processes for each figure (3)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="other jobs on each core (1)")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.work:
        work(arguments.work)
        return 0
    if arguments.repeat < 1 or arguments.jobs < 1:
        parser.error("--repeat and --jobs must be 1 or more")
    names = [name for name in WORK if not arguments.only or any(part in name for part in arguments.only)]
    if not names:
        parser.error(f"--only must be part of one of: {', '.join(WORK)}")
    try:
        with machine.watched():
            kept = table(names, arguments.repeat, arguments.jobs * machine.cores())
    except (RuntimeError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"with the settings {'all keep' if kept else 'NOT ALL keep'} to {LIMIT:g} times the fair share")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
