"""How much less exact float32 is on the device under test than on a CPU, where the floors of float32 come from.

PyTorch's float32 error on a CPU is the floor against which Paddle's is judged. A GPU adds in another order and computes
functions otherwise, so that the same formula may err more there. How much is measured on the device itself, with
Paddle's plain operations on random numbers, and the floors are multiplied by it. On a CPU it is 1.
"""

import functools

import numpy as np
import paddle
import paddle.nn.functional as F

from align.compare.raised import NotComparable
from paddle_ugatit.backend import device

MOST = 16  # a device that errs more does not compute in float32
_LEAST = 2.0**-24  # an operation that happens to be exact on the CPU is no measure
_TERMS = (64, 1152, 4096)  # summed in one value of a product


def ratio() -> float:
    """Return the factor for floors of float32, 1 or more, of the device on which Paddle computes now.

    Raises NotComparable if the device rounds what it multiplies, as TF32 does, or errs more than `MOST` times as much.
    """
    return _measured(paddle.get_device()) if device.on_gpu() else 1.0


@functools.cache
def _measured(name: str) -> float:
    if rounded := device.rounded_inputs():
        raise NotComparable(
            f"{name} rounds the float32 numbers that it is given in {' and '.join(rounded)} (TF32), which could not be "
            "switched off: set NVIDIA_TF32_OVERRIDE=0 before the start, or use --dtype float64"
        )
    errors = {operation: _errors(operation) for operation in _operations()}
    worst = max(errors, key=lambda operation: errors[operation][0] / errors[operation][1])
    found = errors[worst][0] / errors[worst][1]
    if found > MOST:
        raise NotComparable(f"{name} errs {found:.0f} times as much as a CPU in {worst}: that is not float32")
    return max(1.0, found)


def _errors(operation: str) -> tuple[float, float]:
    """Return the largest relative error of a plain operation in float32, on the device and on the CPU."""
    function, shapes = _operations()[operation]
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(shape).astype("float32") for shape in shapes]

    def computed(place, dtype):
        tensors = [paddle.to_tensor(array.astype(dtype), place=place) for array in given]
        return function(*tensors).numpy().astype("float64")

    truth = computed(paddle.CPUPlace(), "float64")
    scale = np.abs(truth).max()
    places = None, paddle.CPUPlace()
    there, here = (max(_LEAST, np.abs(computed(place, "float32") - truth).max() / scale) for place in places)
    return float(there), float(here)


def _operations():
    """Name -> (function, shapes of its tensors): what the layers of this project are made of."""
    products = {f"a product of {n} terms": (paddle.matmul, [(64, n), (n, 64)]) for n in _TERMS}
    maps = [(2, 32, 24, 24)]
    return products | {
        "a convolution": (lambda x, w: F.conv2d(x, w, padding=1), [(2, 64, 16, 16), (64, 64, 3, 3)]),
        "a mean": (lambda x: x.mean([2, 3]), [(4, 32, 64, 64)]),
        "a variance": (lambda x: (x - x.mean([2, 3], keepdim=True)).square().mean([2, 3]), [(4, 32, 64, 64)]),
        "a root": (lambda x: paddle.rsqrt(x.abs() + 0.1), maps),
        "tanh": (paddle.tanh, maps),
        "a sigmoid": (F.sigmoid, maps),
        "exp": (paddle.exp, maps),
    }
