"""Count what an iteration asks of a device: kernels, synchronisations with the host, bytes between the two.

python tools/bench.py iteration --device cpu [--branch gpu] [--size 256] [--ch 2]

What takes long on a GPU can so be counted without one: `--branch gpu` takes the ways that a GPU takes, which is the
default. Kernels are those that Paddle's profiler sees, forward, backward and of the optimisers; `views` of them only
look at memory in another shape, for which a GPU launches none. A synchronisation is a moment at which Python asks for
a value. On a GPU, time is measured between two synchronisations. Memory is the peak of Paddle's tensors.

On a CPU the kernels compute within that time, which they do not on a GPU: the host's time is that outside of kernels,
and what the profiler takes. The least that so many kernels ask of the host is the time of a chain of as many additions.
"""

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import paddle_ugatit  # noqa: E402, F401, I001  first: it sets the process up before Paddle
import paddle  # noqa: E402
from paddle import profiler  # noqa: E402

from align.bench import machine  # noqa: E402
from paddle_ugatit.backend import device  # noqa: E402
from paddle_ugatit.backend.errors import UsageError  # noqa: E402
from paddle_ugatit.training import Config  # noqa: E402
from paddle_ugatit.training.diverged import finite_values  # noqa: E402
from paddle_ugatit.training.ugatit import Trainer  # noqa: E402

KERNEL = (" compute", " kernel launch")  # by which the events of the two versions of Paddle end
VIEWS = ("reshape", "squeeze", "unsqueeze", "flatten", "transpose", "slice", "unbind")
READS = ("numpy", "item", "tolist", "__array__", "__bool__", "__float__", "__int__", "__index__")


class Counts:
    """What was counted: `kernels`, name -> number, and `times`, name -> seconds in them; `synchronisations`, name of
    the method -> number; `bytes`.
    """

    def __init__(self) -> None:
        self.kernels: Counter[str] = Counter()
        self.synchronisations: Counter[str] = Counter()
        self.times: dict[str, float] = defaultdict(float)
        self.bytes = 0
        self._depth = 0

    @property
    def seconds(self) -> float:
        """The seconds in all kernels."""
        return sum(self.times.values())

    def views(self) -> int:
        """Return the number of kernels that only look at memory in another shape."""
        return sum(count for name, count in self.kernels.items() if name.removesuffix("_grad") in VIEWS)

    def reading(self, name: str, method):
        """Return a method of Tensor that is counted, unless another one calls it."""

        def counted(tensor, *args, **options):
            if not self._depth:
                self.synchronisations[name] += 1
                self.bytes += tensor.size * tensor.element_size()
            self._depth += 1
            try:
                return method(tensor, *args, **options)
            finally:
                self._depth -= 1

        return counted

    def writing(self, make):
        """Return paddle.to_tensor, whose bytes are counted."""

        def counted(*args, **options):
            made = make(*args, **options)
            self.bytes += made.size * made.element_size()
            return made

        return counted


@contextmanager
def counting() -> Iterator[Counts]:
    """Within the block, count; yields the Counts, which are complete after it."""
    counts = Counts()
    with ExitStack() as stack:
        for name in READS:
            if method := getattr(paddle.Tensor, name, None):
                stack.enter_context(patch.object(paddle.Tensor, name, counts.reading(name, method)))
        stack.enter_context(patch.object(paddle, "to_tensor", counts.writing(paddle.to_tensor)))
        profile = profiler.Profiler(targets=[profiler.ProfilerTarget.CPU], on_trace_ready=lambda _: None)
        profile.start()
        try:
            yield counts
        finally:
            profile.stop()
    nodes = list(profile.profiler_result.get_data().values())
    while nodes:
        node = nodes.pop()
        nodes += node.children_node
        for ending in KERNEL:
            if node.name.endswith(ending):
                counts.kernels[node.name.removesuffix(ending)] += 1
                counts.times[node.name.removesuffix(ending)] += (node.end_ns - node.start_ns) / 1e9


@contextmanager
def branch_of(name: str) -> Iterator[None]:
    """Within the block, take the ways of a "cpu" or "gpu", whatever the device is."""
    with patch.object(device, "on_cpu", lambda x: name == "cpu"):
        yield


def iteration(config: Config, branch: str, turns: int = 5) -> tuple[Counts, float, float]:
    """Return the counts of the third iteration of a run, its seconds, and those of the host outside of kernels.

    Its first two iterations are not counted, so that everything that is made once has been made. The times are those of
    the fastest of `turns` later ones. Raises ValueError if `turns` is less than 1.
    """
    if turns < 1:
        raise ValueError(f"at least one iteration must be timed, got {turns}")
    trainer, shape = Trainer(config), [config.batch_size, config.img_ch, config.img_size, config.img_size]

    def once() -> None:
        finite_values(trainer.step(paddle.rand(shape), paddle.rand(shape)), trainer.iteration)

    with branch_of(branch):
        for _ in range(2):
            once()
        counts = None
        seconds, outside = [], []
        for _ in range(turns):
            with counting() as found:
                start = time.perf_counter()
                once()
                spent = time.perf_counter() - start
            counts = counts or found
            outside.append(spent - found.seconds)
            start = time.perf_counter()
            once()
            seconds.append(time.perf_counter() - start)
    assert counts is not None
    return counts, min(seconds), min(outside)


def chain(kernels: int, turns: int = 5) -> float:
    """Return the seconds of the host for a chain of additions and its backward pass, of so many kernels together."""
    start_of, one, seconds = paddle.zeros([1]), paddle.ones([1]), []
    start_of.stop_gradient = False
    for _ in range(turns):
        start, x = time.perf_counter(), start_of
        for _ in range(kernels // 2):
            x = x + one
        x.backward()
        seconds.append(time.perf_counter() - start)
        start_of.clear_gradient(False)
    return min(seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench iteration", description=__doc__.split("\n")[0])
    parser.add_argument("--device", required=True, metavar="NAME", help="where to compute: cpu, gpu, gpu:1 ...")
    parser.add_argument("--branch", choices=("cpu", "gpu"), default="gpu", help="whose ways to take (gpu)")
    parser.add_argument("--size", type=int, default=256, metavar="N", help="image size (256)")
    parser.add_argument("--ch", type=int, default=64, metavar="N", help="channels of the first layer (64)")
    parser.add_argument("--n-res", type=int, default=4, metavar="N", help="residual blocks (4)")
    parser.add_argument("--full", action="store_true", help="the full generator instead of the light one")
    parser.add_argument("--recompute", action="store_true", help="compute the generators' blocks again in the backward")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="iterations that are timed, 1 or more (5)")
    arguments = parser.parse_args(argv)
    try:
        used = device.choose(arguments.device)
        config = Config(light=not arguments.full, ch=arguments.ch, n_res=arguments.n_res, img_size=arguments.size)
        config = config.replaced(recompute=arguments.recompute)
        with machine.watched():
            table(arguments, config, used)
    except (UsageError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def table(arguments: argparse.Namespace, config: Config, used: str) -> None:
    """Count and time an iteration, and print what was found. Raises ValueError as `iteration` does."""
    counts, seconds, outside = iteration(config, arguments.branch, arguments.turns)
    kind = ("full" if arguments.full else "light") + " recomputing" * arguments.recompute
    print(f"iteration: {kind} model, ch {arguments.ch}, {arguments.size} px, on {used}, ways of a {arguments.branch}")
    print("| kernels | of these views | synchronisations | bytes between host and device | seconds | host's |")
    print("|---|---|---|---|---|---|")
    numbers = counts.kernels.total(), counts.views(), counts.synchronisations.total(), counts.bytes
    print(f"| {' | '.join(map(str, numbers))} | {seconds:.3f} | {outside:.3f} |")
    print(f"a chain of as many additions of one number: {chain(counts.kernels.total()):.3f} s of the host")
    print("most frequent: " + ", ".join(f"{name} {count}" for name, count in counts.kernels.most_common(12)))
    whole = counts.seconds + outside
    longest = sorted(counts.times.items(), key=lambda item: -item[1])[:10]
    shares = [f"{name} {100 * spent / whole:.0f} %" for name, spent in longest]
    print(f"most of the time: {', '.join(shares)}; outside of kernels {100 * outside / whole:.0f} %")
    print(f"peak of Paddle's tensors: {_peak() / 2**30:.2f} GiB")


def _peak() -> int:
    """The most bytes that tensors have held at once in this process, on the device where Paddle computes."""
    if device.on_gpu():
        return int(paddle.device.cuda.max_memory_allocated())
    return int(paddle.base.core.host_memory_stat_peak_value("Allocated", 0))


if __name__ == "__main__":
    sys.exit(main())
