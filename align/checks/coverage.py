"""How honest each "+-" of KID is: both sets are drawn many times, and what is printed compared with what happens."""

import numpy as np

from paddle_ugatit.metrics import mmd, paper

REPEATS = 300
_DIMENSIONS = 64


def draw(rng, n, shift):
    """Draw (n,d) float32 non-negative features with a falling spectrum."""
    values = 3 * rng.standard_normal((n, _DIMENSIONS)) / np.sqrt(1 + np.arange(_DIMENSIONS))
    return np.maximum(values + 0.3 + shift, 0).astype(np.float32)


def truth(rng, shift):
    """Return KID of the two distributions, from sets far larger than those examined."""
    pairs = ((draw(rng, 4000, 0), draw(rng, 4000, shift)) for _ in range(12))
    return np.mean([mmd.kid(x, y, 1, 2, bootstrap=0).all_pairs for x, y in pairs]) if shift else 0.0


def simulated(n, shift, value, repeats, seed):
    """Return (mean, true SD, mean printed spread) of each estimate, and how often the interval holds and p < 0.05."""
    rng = np.random.default_rng([seed, n])
    names = "all pairs", "subsets of half", "the paper's blocks"
    found, printed, held, rejected = {name: [] for name in names}, {name: [] for name in names}, [], []
    for repeat in range(repeats):
        x, y = draw(rng, n, 0), draw(rng, n, shift)
        kid = mmd.kid(x, y, 100, n // 2, repeat, permutations=99)
        blocks = paper.block_kid(x, y)
        for name, estimate, spread in zip(
            names,
            (kid.all_pairs, kid.mean, blocks.mean),
            (kid.all_pairs_error, kid.std, blocks.standard_error),
            strict=True,
        ):
            found[name].append(estimate)
            printed[name].append(spread)
        held.append(kid.ci95[0] <= value <= kid.ci95[1])
        rejected.append(kid.p_value <= 0.05)
    rows = {name: (np.mean(found[name]), np.std(found[name]), np.mean(printed[name])) for name in names}
    return rows, np.mean(held), np.mean(rejected)


def table(seed, repeats=REPEATS):
    """Print the table as Markdown."""
    print(f"{repeats} draws of both sets, {_DIMENSIONS} synthetic features")
    print("| N = M | true KID | estimate | mean | true SD | printed +- | interval holds | p < .05 |")
    print("|---|---|---|---|---|---|---|---|")
    for shift in (0.0, 0.1, 0.3):
        value = truth(np.random.default_rng([seed, 99]), shift)
        for n in (30, 100, 400):
            rows, held, rejected = simulated(n, shift, value, repeats, seed)
            for name, (mean, deviation, spread) in rows.items():
                last = f"{held:.1%} | {rejected:.1%}" if name == "all pairs" else "| "
                print(f"| {n} | {value:.4f} | {name} | {mean:.4f} | {deviation:.4f} | {spread:.4f} | {last} |")
