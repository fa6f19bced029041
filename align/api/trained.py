"""Optimisers, schedules and initial values: `torch_results`, `paddle_results`, `initial`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import paddle
import torch
from scipy import stats

from align.api import arguments
from align.api.entry import Entry, looked_up
from paddle_ugatit.backend.compat import default_dtype

KINDS = ("optimiser", "schedule")
STEPS, EPOCHS, RATE = (1, 2, 3, 10), 40, 0.1
DRAWN = 4000  # values of a parameter whose distribution is compared
P_VALUE = 1e-6


def single(value: Any) -> Any:
    """Return a number, or a tuple of numbers, rounded to float32; None for anything else."""
    if isinstance(value, tuple) and value and all(isinstance(one, float) for one in value):
        return tuple(map(single, value))
    return float(np.float32(value)) if isinstance(value, float) else None


def _gradients():
    """The start of a parameter and its gradient in each step, some of them zero."""
    rng = np.random.default_rng(5)
    drawn = rng.standard_normal((STEPS[-1] + 1, 4, 3)).astype("float32").astype("float64")
    drawn[3, :2] = 0
    return drawn[0], drawn[1:]


def torch_results(entry: Entry, options: Mapping[str, Any], dtype: str) -> dict[str, np.ndarray]:
    """Return the parameter after some steps of an optimiser, or the learning rates of a schedule."""
    start, gradients = _gradients()
    parameter = torch.nn.Parameter(torch.tensor(start, dtype=getattr(torch, dtype)))
    if entry.kind == "schedule":
        optimiser = torch.optim.SGD([parameter], lr=RATE)
        schedule, rates = looked_up(torch, entry.torch)(optimiser, **options), []
        for _ in range(EPOCHS):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return {"output learning rates": np.array(rates)}
    optimiser, found = looked_up(torch, entry.torch)([parameter], **options), {}
    for step, gradient in enumerate(gradients, 1):
        parameter.grad = torch.tensor(gradient, dtype=parameter.dtype)
        optimiser.step()
        if step in STEPS:
            found[f"output after step {step}"] = parameter.detach().numpy().astype("float64").copy()
    return found


def paddle_results(entry: Entry, make: Any, options: Mapping[str, Any], dtype: str) -> dict[str, np.ndarray]:
    """Return the same of Paddle; `make` is its class, or a recipe."""
    if entry.kind == "schedule":
        known = arguments.signature_of(make)
        schedule, rates = make(**({"learning_rate": RATE} if "learning_rate" in known else {}), **options), []
        for _ in range(EPOCHS):
            rates.append(schedule())
            schedule.step()
        return {"output learning rates": np.array(rates)}
    start, gradients = _gradients()
    with default_dtype(dtype):
        parameter = paddle.create_parameter([4, 3], dtype)
        parameter.set_value(start.astype(dtype))
        optimiser, found = make(parameters=[parameter], **options), {}
        for step, gradient in enumerate(gradients, 1):
            (parameter * paddle.to_tensor(gradient.astype(dtype))).sum().backward()
            optimiser.step()
            optimiser.clear_grad()
            if step in STEPS:
                found[f"output after step {step}"] = parameter.numpy().astype("float64")
    return found


def initial(entry: Entry, theirs: Callable, ours: Callable) -> list[str]:
    """Return a line for each parameter whose initial values have another distribution, both built as PyTorch's."""
    options, found = _widened(entry.uses[0]), []
    mine, _ = arguments.translated(options, ours, entry.names)
    try:
        torch.manual_seed(3)
        paddle.seed(3)
        wanted = {name: p.detach().numpy().ravel() for name, p in theirs(**options).named_parameters()}
        drawn = {name: p.numpy().ravel() for name, p in ours(**mine).named_parameters()}
    except Exception:  # a layer that cannot be built so: its uses say why
        return []
    for name, values in wanted.items():
        other = drawn.get(name, drawn.get({"weight": "scale" if "scale" in drawn else "_weight"}.get(name, "")))
        if other is not None and other.size == values.size > 1 and _unlike(values, other):
            found.append(f"{name} {_spread(values)} in PyTorch, {_spread(other)} in Paddle")
    return found


def _widened(options):
    """The options with numbers of channels for which parameters hold many values."""
    wide = ("in_features", "out_features", "in_channels", "out_channels", "num_embeddings", "embedding_dim")
    return {name: 64 if name in wide else value for name, value in options.items()}


def _unlike(a, b):
    if a.std() == 0 or b.std() == 0:
        return a.std() != b.std() or a.mean() != b.mean()
    return stats.ks_2samp(a[:DRAWN], b[:DRAWN]).pvalue < P_VALUE


def _spread(values):
    if values.std() == 0:
        return f"all {values[0]:g}"
    kurtosis = ((values - values.mean()) ** 4).mean() / values.var() ** 2
    kind = "uniform" if kurtosis < 2.2 else "normal" if kurtosis < 3.6 else "of"
    return f"{kind} with std {values.std():.3g}"
