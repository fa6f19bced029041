"""Time KID against torch-fidelity on the same features, in one run; figures are medians of alternating turns.

    python tools/bench.py kid [--sizes 1000 2000 5000] [--repeat N] [--images N]

If torch-fidelity is not installed, its algorithm in NumPy replaces it: one Gram matrix for each subset. `--images` also
times the extraction of features, with random weights. Exit code: 0 measured, 1 the results differ by more than 1e-6.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from paddle_ugatit.cli import command  # noqa: E402  first: it sets the process up before PyTorch is loaded

# ruff: isort: split
import numpy as np  # noqa: E402

from align.bench import machine  # noqa: E402
from align.compare import metric_others  # noqa: E402
from paddle_ugatit.metrics import FeatureExtractor, inception_weights, kid  # noqa: E402
from paddle_ugatit.metrics.mmd import subset_kid  # noqa: E402

DIMENSIONS, SUBSETS, SUBSET_SIZE, SEED = 2048, 100, 1000, 2020


def by_subset(x, y, subsets, size, seed):
    """Return (mean, std) as torch-fidelity computes it, with three Gram matrices for every subset."""
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        a, b = x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)]
        aa, bb, ab = ((np.matmul(p, q.T) / x.shape[1] + 1) ** 3 for p, q in ((a, a), (b, b), (a, b)))
        within = aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)
        values.append(within / (size * (size - 1)) - 2 * ab.sum() / size**2)
    return np.mean(values), np.std(values)


def ours(x, y, subsets, size, seed):
    """Return (mean, std) from `kid`, with everything it computes except bootstrap and permutations."""
    result = kid(x, y, subsets, size, seed, bootstrap=0)
    return result.mean, result.std


def ours_alone(x, y, subsets, size, seed):
    """Return (mean, std) from `subset_kid`, which computes nothing else."""
    values = subset_kid(x, y, subsets, size, seed)
    return values.mean(), values.std()


def in_turns(contenders, repeat):
    """Return name -> median seconds and name -> last result; contenders take turns, after a warm-up each."""
    times, results = {name: [] for name in contenders}, {}
    for turn in range(repeat + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            results[name] = work()
            times[name] += [time.perf_counter() - start] * bool(turn)
    return {name: statistics.median(values) for name, values in times.items()}, results


def kid_table(sizes, repeat):
    """Print a line for each number of samples; returns the largest relative difference of the means."""
    installed = metric_others.installed("torch_fidelity")
    other = "torch-fidelity" if installed else "one Gram matrix a subset"
    theirs = metric_others.fidelity_kid if installed else by_subset
    print(f"{SUBSETS} subsets of {SUBSET_SIZE}, {DIMENSIONS} features, median of {repeat}")
    print(f"| samples a side | kid, s | subset_kid, s | {other}, s | times, kid | times, subset_kid | difference |")
    print("|---|---|---|---|---|---|---|")
    rng, worst = np.random.default_rng(0), 0.0
    for n in sizes:
        x, y = (np.maximum(rng.standard_normal((n, DIMENSIONS), np.float32) + shift, 0) for shift in (0, 0.05))
        arguments = x, y, SUBSETS, min(n, SUBSET_SIZE), SEED
        contenders = {"kid": ours, "subset_kid": ours_alone, other: theirs}
        contenders = {name: lambda work=work, a=arguments: work(*a) for name, work in contenders.items()}
        watch = machine.Watch()
        seconds, _ = in_turns(contenders, repeat)
        mark = watch.mark()
        difference = _difference(theirs, x, y, arguments[3])
        worst = max(worst, difference)
        cells = [f"{seconds[name]:.3f}" for name in contenders]
        cells += [f"{seconds[other] / seconds[name]:.1f}{mark}" for name in ("kid", "subset_kid")]
        print(f"| {n} | {' | '.join(cells)} | {difference:.1e} |", flush=True)
    return worst


def _difference(theirs, x, y, size):
    """Relative difference of the means of 10 subsets, theirs computed in float64 from the same features.

    In float32 theirs would be off by up to 1e-4 itself, since its totals are float32, too.
    """
    exact = theirs(x.astype(np.float64), y.astype(np.float64), 10, size, SEED)[0]
    return max(abs(work(x, y, 10, size, SEED)[0] - exact) / abs(exact) for work in (ours, ours_alone))


def extraction_table(count, repeat):
    """Print the images per second of ours and, if installed, torch-fidelity's extraction."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 256, 256, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/inception.pth"
        inception_weights.write_random(path)
        extractor = FeatureExtractor(weights=path)
        contenders = {"ours": lambda: extractor.extract(images)}
        if metric_others.installed("torch_fidelity"):
            theirs = metric_others.fidelity_extractor(path)
            batches = range(0, count, 8)
            contenders["torch-fidelity"] = lambda: [theirs(images[start : start + 8]) for start in batches]
        seconds, _ = in_turns(contenders, repeat)
    print(f"\n| extraction of {count} images of 256 px | images/s |\n|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {count / value:.2f} |")


def main(argv=None):
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench kid", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 5000], metavar="N", help="samples a side")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="turns (3)")
    parser.add_argument("--images", type=int, default=0, metavar="N", help="also time the extraction of N images")
    arguments = parser.parse_args(argv)
    return command.run("bench kid", lambda: _run(arguments))


def _run(arguments):
    with machine.watched():
        worst = kid_table(arguments.sizes, arguments.repeat)
        if arguments.images:
            extraction_table(arguments.images, arguments.repeat)
    return int(worst > 1e-6)


if __name__ == "__main__":
    sys.exit(main())
