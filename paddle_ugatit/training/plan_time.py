"""How long a run will take, from a short measurement on this machine and the floating-point operations of a step.

One step of the very configuration is made, of the same width but of fewer pixels and images. Its operations are
counted by the plain formulas, and its time is measured as training takes it. Both grow with pixels and images, as
convolutions do. What this machine reaches in products of matrices is measured too: another processor, or a GPU, of so
many FLOP/s needs no less time than the operations take at that rate, unless it computes convolutions in tiles as ours.
"""

import json
import math
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from unittest.mock import patch

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend import runtime
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.layers.fast.dispatch import plain
from paddle_ugatit.systems import trained
from paddle_ugatit.training import plan, start
from paddle_ugatit.training.options import RunOptions

SIZE = 128  # image size at which a step is measured if the run has larger ones and the system can be built for it
PIXELS = 2**16  # of all images of a domain in such a step, at most
SECONDS = 3.0  # how long steps are measured, at least two
MATRIX = 1024  # rows and columns of the products that are timed
_HOUR = 3600


@dataclass(frozen=True)
class Times:
    """What was measured on this machine, in seconds and floating-point operations."""

    operations: float  # of a step of the configuration, forward and backward, by the plain formulas
    seconds: float  # that such a step takes here
    rate: float  # FLOP/s of matrix products here, on all threads
    threads: int  # that computed the step
    all_threads: int  # that there are: a small network takes fewer


class Operations:
    """Counts the floating-point operations of convolutions and products, two for a multiply-add, in `total`.

    The gradients of an input and of a weight take as many each. Second derivatives, of penalties, are not counted.
    """

    def __init__(self) -> None:
        self.total = 0.0

    def counted(self, function: Any, work: Any) -> Any:
        """Return a function of two tensors first, whose operations are counted; `work` tells the multiply-adds."""

        def counting(x: paddle.Tensor, weight: paddle.Tensor, *arguments: Any, **options: Any) -> paddle.Tensor:
            out = function(x, weight, *arguments, **options)
            backward = 0
            if not out.stop_gradient:
                backward = (not x.stop_gradient) + (not weight.stop_gradient)
            self.total += 2.0 * work(x, weight, out, options) * (1 + backward)
            return out

        return counting


def _of_convolution(x: paddle.Tensor, weight: paddle.Tensor, out: paddle.Tensor, _options: dict) -> int:
    return math.prod(out.shape) * math.prod(weight.shape[1:])


def _of_transposed(x: paddle.Tensor, weight: paddle.Tensor, out: paddle.Tensor, _options: dict) -> int:
    return math.prod(x.shape) * math.prod(weight.shape[1:])


def _of_product(x: paddle.Tensor, weight: paddle.Tensor, out: paddle.Tensor, options: dict) -> int:
    summed = x.shape[-2 if options.get("transpose_x") and len(x.shape) > 1 else -1]
    return math.prod(out.shape) * summed


@contextmanager
def counted_operations() -> Iterator[Operations]:
    """Within the block, layers compute by the plain formulas, and their operations are counted."""
    counts = Operations()
    functions = (
        (F, "conv2d", _of_convolution),
        (F, "conv2d_transpose", _of_transposed),
        (F, "linear", _of_product),
        (paddle, "matmul", _of_product),
    )
    patches = [patch.object(owner, name, counts.counted(getattr(owner, name), work)) for owner, name, work in functions]
    with plain():
        for each in patches:
            each.start()
        try:
            yield counts
        finally:
            for each in patches:
                each.stop()


def matmul_rate() -> float:
    """Return the FLOP/s of products of float32 matrices on the threads of this process: the best of some."""
    matrix, best = paddle.ones([MATRIX, MATRIX]), math.inf
    for _ in range(12):
        begun = time.perf_counter()
        float(paddle.matmul(matrix, matrix)[0, 0])
        best = min(best, time.perf_counter() - begun)
    return 2 * MATRIX**3 / best


def reduced(config: RunOptions) -> tuple[RunOptions, float]:
    """Return the configuration of the step that is measured, and how many times its work the real one has."""
    part = math.ceil(config.batch_size / config.accumulate)
    for size in (min(SIZE, config.img_size), config.img_size):
        batch = max(1, min(part, PIXELS // size**2))
        changes: dict[str, Any] = {"img_size": size, "batch_size": batch, "accumulate": 1, "amp": "off"}
        if config.load_size is not None:
            changes["load_size"] = size
        try:
            smaller = config.replaced(**changes)
            with paddle.LazyGuard():
                start.system_of(smaller)
            break
        except (ValueError, InputError):  # more layers than so small an image allows
            if size == config.img_size:
                raise
    return smaller, config.batch_size / batch * (config.img_size / size) ** 2


def measure(config: RunOptions) -> tuple[float, float, int | None]:
    """Return the operations of one step of this configuration, its seconds on this CPU, and its threads if not all."""
    system, batch = start.system_of(config), plan.random_batch(config)
    with counted_operations() as counts:
        system.step(*batch)
    with runtime.threads_for(plan.products(config)) as fewer:
        system.step(*batch)  # what is made once
        best, turns, begun = math.inf, 0, time.perf_counter()
        while turns < 2 or time.perf_counter() - begun < SECONDS:
            turns += 1
            before = time.perf_counter()
            losses = system.step(*batch)
            for value in losses.values():
                value.numpy()
            best = min(best, time.perf_counter() - before)
    return counts.total, best, fewer


def answer() -> None:
    """Measure the configuration that is written to stdin, and print what was found."""
    name, options = json.load(sys.stdin)
    paddle.set_device("cpu")
    print(json.dumps([*measure(trained()[name].config.from_dict(options)), matmul_rate()]))


def times(config: RunOptions) -> Times:
    """Measure, in a process of its own, how long a step of this configuration takes on this machine's CPU.

    Raises InputError if that fails.
    """
    name = next(name for name, system in trained().items() if type(config) is system.config)
    smaller, factor = reduced(config)
    code = "from paddle_ugatit.training import plan_time; plan_time.answer()"
    operations, seconds, fewer, rate = plan.in_a_process(code, [name, asdict(smaller)], "a step could not be measured")
    given = os.environ.get("OMP_NUM_THREADS", "1")
    threads = int(given) if given.isdecimal() else 1
    return Times(operations * factor, seconds * factor, rate, fewer or threads, threads)


def lines(config: RunOptions, found: Times, cores: int | None = None, tflops: float | None = None) -> list[str]:
    """Return the expected times as lines to be printed; for `cores` like these, and a GPU of `tflops`, if given."""
    said = [f"time: {config.iteration} iterations of {_number(found.operations / 1e9)} GFLOP", ""]
    said.append(_row(f"this CPU, {found.threads} thread{'s' * (found.threads != 1)}", found.seconds, config))
    if cores is not None:
        shared = found.threads / cores if found.threads == found.all_threads else 1  # too little to be shared
        said.append(_row(f"{cores} such cores, at best", found.seconds * shared, config))
    if tflops is not None:
        said.append(_row(f"a GPU of {tflops:g} TFLOP/s, at best", found.operations / (tflops * 1e12), config))
    share = found.operations / found.seconds / found.rate
    notes = (
        f"A step of this width has just been measured, of fewer pixels and images, which both count in proportion. "
        f"This CPU multiplies matrices at {found.rate / 1e9:.0f} GFLOP/s; the step does {100 * share:.0f} % as many "
        "operations in a second, counted by the plain formulas, of which tiles save some. Other work on the machine "
        "makes it slower. Of other cores, that they share the work without loss was assumed, and of a GPU, that it "
        "reaches its rate, which networks do not: expect two to four times as long."
    )
    return [*said, "", *textwrap.wrap(notes, 100)]


def _row(name: str, seconds: float, config: RunOptions) -> str:
    hours = seconds * config.iteration / _HOUR
    days = f"  ({hours / 24:.1f} days)" if hours >= 48 else ""
    return f"  {name:<32}{seconds:9.3g} s a step{_number(hours):>10} hours{days}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
