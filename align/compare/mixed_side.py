"""Paddle's side of a comparison in mixed precision, imitated on a CPU (align/compare/autocast.py)."""

from contextlib import contextmanager

import numpy as np
import paddle

from align.compare.autocast import HALF, autocasting_on_cpu, nearest
from align.compare.paddle_side import PaddleSide
from paddle_ugatit.layers.fast.dispatch import plain

UNITS = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # the largest relative error of a rounding


class HalfArray(np.ndarray):
    """The values of a tensor in half precision, as float32, which NumPy has no dtype for if they are bfloat16."""


class MixedPaddleSide(PaddleSide):
    """Paddle with parameters in float32 that runs models within auto_cast, by the formulas that a GPU computes.

    `half` is "bfloat16" or "float16".
    """

    def __init__(self, half):
        super().__init__("float32")
        self.half = half

    @contextmanager
    def in_use(self):
        """Return a context for every run of a model, in which auto_cast acts."""
        with plain(), autocasting_on_cpu():
            yield

    def call_model(self, model, tensors):
        """Run the model on the tensors of one call, in mixed precision."""
        with paddle.amp.auto_cast(dtype=self.half):
            return model(*tensors)

    def tensor(self, array, grad=False, like=None):
        """Return a tensor in float32, or rounded to the half precision of `like`."""
        array = np.asarray(array, "float32")
        if like is not None and like.dtype in HALF:
            tensor = paddle.to_tensor(nearest(array, like.dtype)).astype(like.dtype)
        else:
            tensor = paddle.to_tensor(array)
        tensor.stop_gradient = not grad
        return tensor

    def array(self, tensor):
        """Return a copy of the tensor's values in float32, a HalfArray if it is in half precision; None for None."""
        if tensor is None or tensor.dtype not in HALF:
            return super().array(tensor)
        return tensor.astype("float32").numpy().view(HalfArray)

    def backward(self, tensors, gradients, keep=False):
        """Backpropagate outside of auto_cast, as a training step does."""
        with paddle.amp.auto_cast(enable=False):
            super().backward(tensors, gradients, keep)

    def _product(self, tensor, gradient):
        return (tensor.astype("float32") * gradient.astype("float32")).sum()
