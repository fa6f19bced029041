"""A GPU's branches and dtypes on a machine without one.

`device_branch()` has the code take the ways that it takes on a GPU. As a pytest plugin, `-p tests.gpu_emulation`, it
does so for all tests, and leaves out those marked `cpu_path`; `bash tools/test.sh --branch gpu` is short for that.

align/compare/autocast.py imitates a GPU's mixed precision, which the checks use too; `tf32_on_cpu()` its TF32.
"""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import paddle

from align.compare.autocast import linear_of


def pytest_configure(config):
    """Take the device branch in all tests, as a plugin."""
    context = device_branch()
    context.__enter__()
    config.add_cleanup(lambda: context.__exit__(None, None, None))


def pytest_collection_modifyitems(config, items):
    """Leave out the tests of the ways that are taken on a CPU only, as a plugin."""
    left_out = [item for item in items if item.get_closest_marker("cpu_path")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@contextmanager
def device_branch():
    """Within the block, tensors count as those of a GPU."""
    with patch("paddle_ugatit.backend.device.on_cpu", lambda x: False):
        yield


# --- TF32 ---------------------------------------------------------------------------------------------------------

MULTIPLYING = ("matmul", "mv", "bmm", "conv2d", "conv2d_transpose", "depthwise_conv2d")
TF32_BITS = 10  # after the leading one


def rounded(x, bits=TF32_BITS):
    """Return a tensor whose float32 values keep so many bits after the leading one; one of another dtype as it is."""
    if x.dtype != paddle.float32:
        return x
    step = 2.0 ** (np.floor(np.log2(np.abs(x.numpy()) + 1e-30)) - bits)
    return paddle.to_tensor((np.round(x.numpy() / step) * step).astype("float32"))


class _Operand(paddle.autograd.PyLayer):
    """A factor, which is rounded."""

    @staticmethod
    def forward(ctx, x):
        return rounded(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.clone()


class _Product(paddle.autograd.PyLayer):
    """A product, whose gradient is a factor of two further products."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return rounded(grad)


@contextmanager
def tf32_on_cpu():
    """Within the block, products and convolutions of float32 tensors round what they multiply, as on an A100 with TF32.

    Forward and backward; float64 is not changed.
    """

    def rounding(function):
        def computed(*args, **options):
            args = [
                _Operand.apply(x) if isinstance(x, paddle.Tensor) and x.dtype == paddle.float32 else x for x in args
            ]
            out = function(*args, **options)
            return _Product.apply(out) if out.dtype == paddle.float32 else out

        return computed

    with ExitStack() as stack:
        for name in MULTIPLYING:
            function = getattr(paddle._C_ops, name)
            stack.enter_context(patch.object(paddle._C_ops, name, rounding(function)))
        for name in ("linear", "linear_v2"):
            if hasattr(paddle._C_ops, name):
                plain = linear_of(paddle._C_ops.matmul, paddle._C_ops.add)
                stack.enter_context(patch.object(paddle._C_ops, name, plain))
        yield
