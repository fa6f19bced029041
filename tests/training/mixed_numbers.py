"""What a network computes and learns in mixed precision, as numbers, on either side; and how far they are from float64.

Random gradients are propagated back from every output, and every number is compared by its error relative to the norm
of its tensor.
"""

import copy
from contextlib import nullcontext

import numpy as np
import torch

from align.cases import randomise, representable
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide

SMALLEST = 1e-9  # norm of a tensor up to which it is rounding error alone
COTANGENT = 2.0**-6  # size of the gradients that are propagated back, so that none overflows in float16


def weights_of(case):
    """Return weights for a case, moved away from initial values that could hide a fault."""
    side = TorchSide("float64")
    state = {key: representable(array) for key, array in side.state(side.build(case.build, 0)).items()}
    return randomise(state, [0, 1])


def numbers(side, case, state, autocast=nullcontext):
    """Return name -> array of all outputs and gradients of a case's calls; `autocast()` is entered for each forward."""
    model = side.build(case.build, 0)
    model if case.training else model.eval()
    side.load(model, copy.deepcopy(state))
    rng, found = np.random.default_rng(5), {}
    for call, arrays in enumerate(case.inputs(0)):
        inputs = [side.tensor(array, grad=True) for array in arrays]
        with autocast():
            outputs = side.call_model(model, inputs)
        outputs = [_in_dtype_of(side, each) for each in (outputs if isinstance(outputs, tuple) else (outputs,))]
        found |= {("output", call, i): side.array(output) for i, output in enumerate(outputs)}
        gradients = [COTANGENT * rng.standard_normal(list(output.shape)) for output in outputs]
        pairs = [(y, g) for y, g in zip(outputs, gradients, strict=True) if side.takes_gradient(y)]
        sum((y * side.tensor(g)).sum() for y, g in pairs).backward()
        found |= {("gradient of input", call, i): side.gradient(x) for i, x in enumerate(inputs)}
    found |= {("gradient", name): array for name, array in side.parameter_gradients(model).items()}
    return {name: np.array(array, np.float64) for name, array in found.items() if array is not None}


def _in_dtype_of(side, output):
    if isinstance(output, torch.Tensor):
        return output.to(getattr(torch, side.dtype))
    assert str(output.dtype).endswith(side.dtype), f"a network returned {output.dtype}"
    return output


def errors(found, truth):
    """Return the relative error of each tensor, name -> error; tensors of nothing but rounding error are left out."""
    lengths = {name: np.linalg.norm(array) for name, array in truth.items()}
    return {
        name: np.linalg.norm(found[name] - truth[name]) / length
        for name, length in lengths.items()
        if length > SMALLEST
    }


def ratio(ours, theirs):
    """Return by which factor our errors are larger than theirs, as a geometric mean over the tensors.

    Those that overflow on their side are left out.
    """
    factors = [ours[name] / max(error, 1e-12) for name, error in theirs.items() if np.isfinite(error)]
    return float(np.exp(np.mean(np.log(factors))))


def sides():
    """Return PyTorch's side in float64, and both sides in float32: PyTorch's, Paddle's."""
    return TorchSide("float64"), TorchSide("float32"), PaddleSide("float32")
