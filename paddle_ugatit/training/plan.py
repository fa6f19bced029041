"""What a run will need, before it is built: memory by kind, the size of a checkpoint, and the disk for all of them.

Weights, moments, gradients and means are counted from the shapes of the parameters, which take no memory to find out.
Activations are measured: four narrow copies of the system make two steps in a process of their own, by the plain
formulas, as on a GPU, and what they hold grows with width, batch and pixels. The faster ways of a CPU hold less.
"""

import gc
import json
import math
import subprocess
import sys
import textwrap
import typing
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.layers.fast.dispatch import plain
from paddle_ugatit.systems import trained
from paddle_ugatit.training import start
from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.system import TrainedSystem

BYTES = 4  # of a float32
WIDTHS, BATCHES = (8, 16), (1, 2)  # of the narrow copies
PIXELS = 128  # their image size, at most
ROOT = Path(__file__).resolve().parents[2]  # from where the package can be imported
_GIB = 2**30
# The options that widen a system's layers, the first of which decides: all are scaled alike.
_WIDENING = {"ugatit": ("ch",), "adain": ("ch",), "sagan": ("conv_dim",), "stylegan2": ("network_capacity", "fmap_max")}
_NETWORKS, _MOMENTS, _MEANS = "weights", "Adam's moments", "running means"


@dataclass(frozen=True)
class Plan:
    """What a run needs, in bytes."""

    parameters: int  # numbers in the networks: parameters and buffers
    held: dict[str, int]  # what is in memory at the peak, by kind, but for activations
    activations: int  # what a step holds for its backward pass
    checkpoint: int  # one checkpoint on the disk
    checkpoints: int  # that the run leaves
    disk: int  # for these, one more that is being written, and the best

    @property
    def memory(self) -> int:
        """All of it together."""
        return sum(self.held.values()) + self.activations


def plan(config: RunOptions, held_by_a_step: int | None = None) -> Plan:
    """Return what a run of this configuration needs; `held_by_a_step` are its activations, if they are known already.

    Raises InputError if such a system cannot be built.
    """
    with paddle.LazyGuard():  # parameters have shapes but no values
        system = start.system_of(config)
    sizes = {name: sum(map(_size, network.state_dict().values())) for name, network in system.networks.items()}
    updated = {kind: sum(_size(p) for _, p in system.named_parameters(kind)) for kind in system.optimizers}
    averaged = sum(sizes[name] for name in system.averaged) if config.ema else 0
    held = {
        _NETWORKS: BYTES * sum(sizes.values()),
        _MOMENTS: 2 * BYTES * sum(updated.values()),
        "gradients": BYTES * max(updated.values()),
        _MEANS: BYTES * averaged,
    }
    held = {kind: count for kind, count in held.items() if count}
    checkpoint = sum(held.get(kind, 0) for kind in (_NETWORKS, _MOMENTS, _MEANS))
    kept = _kept(config)
    best = held[_NETWORKS] + held.get(_MEANS, 0) if config.eval_every else 0
    step = activations(config) if held_by_a_step is None else held_by_a_step
    return Plan(sum(sizes.values()), held, step, checkpoint, kept, (kept + 1) * checkpoint + best)


def _size(array: paddle.Tensor) -> int:
    return math.prod(array.shape)


def _kept(config: RunOptions) -> int:
    """The checkpoints that stay on the disk: the newest, and those at multiples of `keep_every`."""
    steps = {*range(config.save_freq, config.iteration + 1, config.save_freq), config.iteration}
    newest = set(sorted(steps)[-config.keep :])
    return len(newest | {step for step in steps if step % config.keep_every == 0})


def activations(config: RunOptions) -> int:
    """Return the bytes of activations of a step, from measurements of narrow copies."""
    name = next(name for name, system in trained().items() if type(config) is system.config)
    widening = _WIDENING.get(name)
    width = getattr(config, widening[0]) if widening else 0
    size = min(config.img_size, PIXELS)
    copies = []
    for narrow in WIDTHS:
        changes = {option: max(1, getattr(config, option) * narrow // width) for option in widening or ()}
        if config.load_size is not None:
            changes["load_size"] = size
        for batch in BATCHES:
            copies.append(config.replaced(**changes, img_size=size, batch_size=batch, accumulate=1, amp="off", ema=0.0))
    readings = np.reshape(_measured(name, copies), (len(WIDTHS), len(BATCHES)))
    of_width = _line(WIDTHS, width, readings) if widening else readings[0]
    of_both = _line(BATCHES, config.batch_size / config.accumulate, of_width)
    return int(of_both * (config.img_size / size) ** 2)


def products(config: RunOptions) -> int:
    """Return the multiply-adds of a 1x1 convolution at the widest map of a step, B H W C^2: a measure of its size."""
    name = next(name for name, system in trained().items() if type(config) is system.config)
    width = getattr(config, _WIDENING[name][0]) if name in _WIDENING else 1
    return config.batch_size // config.accumulate * config.img_size**2 * width**2


def _line(places: tuple[int, int], place: float, values: np.ndarray) -> np.ndarray:
    """The value at `place` of the line through two (value, place)."""
    first, second = places
    return values[0] + (values[1] - values[0]) * (place - first) / (second - first)


def _measured(name: str, configs: Iterable[RunOptions]) -> list[int]:
    """Measure in a new process, whose peak of memory is not that of others."""
    given = [name, [asdict(config) for config in configs]]
    code = "from paddle_ugatit.training import plan; plan.answer()"
    return in_a_process(code, given, "activations could not be measured")


def in_a_process(code: str, given: list, failed: str) -> list:
    """Return the JSON value that `code` prints last in a process of its own, with `given` as JSON on its stdin.

    Raises InputError, which begins with `failed`, if the process fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(given), cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"{failed}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer() -> None:
    """Measure the configurations that are written to stdin, and print the bytes of each."""
    name, configs = json.load(sys.stdin)
    paddle.set_device("cpu")
    print(json.dumps([measure(trained()[name].config.from_dict(options)) for options in configs]))


def random_batch(config: RunOptions) -> list[paddle.Tensor]:
    """Return random images of each domain, (B,3,S,S) in [-1,1], for a step that is only measured."""
    rng = np.random.default_rng(0)
    shape = (config.batch_size, 3, config.img_size, config.img_size)
    return [paddle.to_tensor(rng.uniform(-1, 1, shape).astype("float32")) for _ in config.domains]


def measure(config: RunOptions) -> int:
    """Return the bytes that a step holds at once by the plain formulas, besides weights, moments and gradients."""
    system = start.system_of(config)
    batch = random_batch(config)
    gc.collect()  # what an earlier system has left
    held = allocated() + 2 * BYTES * sum(
        _size(p) for kind in system.optimizers for _, p in system.named_parameters(kind)
    )
    with plain():
        system.step(*batch)  # makes the moments
        return _most_allocated(system, batch) - held


def _most_allocated(system: TrainedSystem, batch: list[paddle.Tensor]) -> int:
    """The most that is allocated when a layer of a step ends, or the gradient of what it returned is there.

    The gradients of parameters are left out, which are counted apart.
    """
    most = 0
    parameters = [p for kind in system.optimizers for _, p in system.named_parameters(kind)]

    def look(_: typing.Any = None) -> None:
        nonlocal most
        if (now := allocated()) > most:
            most = max(most, now - BYTES * sum(_size(p) for p in parameters if p.grad is not None))

    def ended(_layer: nn.Layer, _inputs: typing.Any, output: typing.Any) -> None:
        look()
        if isinstance(output, paddle.Tensor) and not output.stop_gradient:
            output.register_hook(look)

    hooks = [
        layer.register_forward_post_hook(ended)
        for network in system.networks.values()
        for layer in network.sublayers(include_self=True)
    ]
    try:
        system.step(*batch)
    finally:
        for hook in hooks:
            hook.remove()
    return most


def allocated() -> int:
    """Return the bytes of tensors on the CPU of this process."""
    return int(paddle.base.core.host_memory_stat_current_value("Allocated", 0))


def lines(config: RunOptions, needs: Plan) -> list[str]:
    """Return the plan as lines to be printed."""
    title = f"{config.img_size} px, batches of {config.batch_size}"
    if config.accumulate > 1:
        title += f" in {config.accumulate} parts"
    found = [f"plan: {title}, {config.iteration} iterations; GiB", ""]
    found += [f"  {kind:<24}{_gib(count)}" for kind, count in needs.held.items()]
    found.append(f"  {'activations':<24}{_gib(needs.activations)}")
    found.append(f"  {'memory, together':<24}{_gib(needs.memory)}")
    found += ["", f"  {'a checkpoint':<24}{_gib(needs.checkpoint)}"]
    found.append(f"  {f'disk for {needs.checkpoints} of them':<24}{_gib(needs.disk)}  with one that is being written")
    return [*found, "", *textwrap.wrap(_notes(config, needs), 100)]


def _gib(count: int) -> str:
    return f"{count / _GIB:8.2f}"


def _notes(config: RunOptions, needs: Plan) -> str:
    notes = (
        f"The networks hold {needs.parameters / 1e6:.1f} million numbers. All is counted but activations, which are "
        "scaled from narrow copies that have just been measured, computed as on a GPU; a CPU holds fewer. What "
        "CUDA, cuDNN and Paddle's allocator take besides was not measured: leave 1 to 2 GiB for it."
    )
    if config.amp != "off":
        notes += f" With amp={config.amp} activations are smaller than these of float32."
    if config.eval_every:
        notes += " Features for the KID are not counted."
    return notes
