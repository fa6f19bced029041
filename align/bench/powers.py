"""Whether a step's power iterations are cheaper if layers of one shape are iterated together, counted and timed.

python tools/bench.py powers [--ch 64]

The four discriminators of U-GAT-IT have 32 layers with spectral normalisation, in 10 shapes. Together, the weights of a
shape are stacked, iterated by batched products, and the vectors are taken apart again; the results are the same. Each
layer makes three power iterations in a step: two in the discriminators' half, one in the generators'. The weights
change between the halves, so they are stacked twice.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import paddle_ugatit  # noqa: E402, F401, I001  first: it sets the process up before Paddle
import paddle  # noqa: E402
from paddle import _C_ops  # noqa: E402

from align.bench import machine  # noqa: E402
from align.bench.counting import branch_of, counting  # noqa: E402
from paddle_ugatit.layers.spectral_norm import SMALLEST, power_iteration  # noqa: E402
from paddle_ugatit.models.ugatit import Discriminator  # noqa: E402

PASSES = (2, 1)  # of the halves of a step
Vectors = list[tuple[paddle.Tensor, paddle.Tensor]]


def layers(ch: int) -> list[tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]]:
    """Return (matrix, u, v) of every layer with spectral normalisation of the four discriminators."""
    paddle.seed(0)
    networks = [Discriminator(3, ch, depth) for depth in (7, 7, 5, 5)]
    norms = [layer.spectral for network in networks for layer in network.sublayers() if hasattr(layer, "spectral")]
    with paddle.no_grad():
        return [(norm.matrix(), norm.layer.weight_u, norm.layer.weight_v) for norm in norms if norm]


def one_by_one(given: list[tuple[paddle.Tensor, ...]], passes: int) -> Vectors:
    """Return new (u, v) of each layer after so many iterations, as a forward makes them."""
    found = []
    for matrix, u, v in given:
        for _ in range(passes):
            u, v = power_iteration(matrix, u, v, SMALLEST)
        found.append((u, v))
    return found


@paddle.no_grad()
def together(given: list[tuple[paddle.Tensor, ...]], passes: int) -> Vectors:
    """Return the same, with all layers of a shape in each operation."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (matrix, _, _) in enumerate(given):
        groups.setdefault(tuple(matrix.shape), []).append(index)
    found: dict[int, tuple[paddle.Tensor, paddle.Tensor]] = {}
    for members in groups.values():
        matrices = paddle.stack([given[index][0] for index in members])
        u = paddle.stack([given[index][1] for index in members]).unsqueeze(2)
        for _ in range(passes):
            v = _C_ops.norm(paddle.bmm(matrices.transpose([0, 2, 1]), u), 1, SMALLEST * SMALLEST, False)[0]
            u = _C_ops.norm(paddle.bmm(matrices, v), 1, SMALLEST * SMALLEST, False)[0]
        found |= dict(zip(members, zip(u.squeeze(2).unbind(0), v.squeeze(2).unbind(0), strict=True), strict=True))
    return [found[index] for index in range(len(given))]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table and return the exit code: 1 if the results differ."""
    parser = argparse.ArgumentParser(prog="bench powers", description=__doc__.split("\n")[0])
    parser.add_argument("--ch", type=int, default=64, metavar="N", help="channels of the first layer (64)")
    parser.add_argument("--turns", type=int, default=9, metavar="N", help="steps that are timed, in turns (9)")
    arguments = parser.parse_args(argv)
    with machine.watched():
        return table(arguments)


def table(arguments: argparse.Namespace) -> int:
    """Print the table and return 1 if the results differ, else 0."""
    given, ways = layers(arguments.ch), {"one by one": one_by_one, "together": together}
    with branch_of("gpu"):
        counts = {name: _counted(way, given) for name, way in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(max(1, arguments.turns)):
            for name, way in ways.items():
                start = time.process_time()
                for passes in PASSES:
                    way(given, passes)
                seconds[name].append(time.process_time() - start)
    stacked = 2 * 4 * sum(matrix.size for matrix, _, _ in given) / 2**20
    print(f"power iterations of a step: {len(given)} layers, ch {arguments.ch}")
    print("| | kernels | of these views | ms of CPU time |\n|---|---|---|---|")
    for name, (kernels, views) in counts.items():
        print(f"| {name} | {kernels} | {views} | {1e3 * statistics.median(seconds[name]):.1f} |")
    print(f"stacking copies {stacked:.0f} MiB of weights a step")
    pairs = zip(one_by_one(given, 2), together(given, 2), strict=True)
    apart = max(float((a - b).abs().max()) for one, other in pairs for a, b in zip(one, other, strict=True))
    print(f"the vectors differ by {apart:.1e} at most")
    return int(apart > 1e-5)


def _counted(way: Callable[[list, int], Vectors], given: list) -> tuple[int, int]:
    with counting() as counts:
        for passes in PASSES:
            way(given, passes)
    return counts.kernels.total(), counts.views()


if __name__ == "__main__":
    sys.exit(main())
