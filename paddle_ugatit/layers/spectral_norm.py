"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1).

W / sigma(W) with sigma = u^T W v and W reshaped to (first axis, -1); one power iteration per forward in training mode,
none in evaluation mode. Contents: spectral_norm, with the state of PyTorch's hook, `weight_orig`, `weight_u` and
`weight_v`; iterating_spectral_norm, which iterates in evaluation mode too; SpectralNormWrapper, the layer of the public
SAGAN, with `module.weight_bar`, `module.weight_u` and
`module.weight_v`; passes_in_one and same_iterations, which change how a forward makes its power iterations.
Twin: torch_ref/layers/spectral_norm.py. Paddle's own hook keeps u and v in float32 in a float64 layer.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.backend.compat import assign, replace_buffer, unit_vector
from paddle_ugatit.backend.mixed import autocasting, in_float32
from paddle_ugatit.layers.channels import channel_scale
from paddle_ugatit.layers.fast import dispatch

SMALLEST = 1e-12  # the eps of PyTorch's hook


def unit(x: paddle.Tensor, eps: float, added: bool = False) -> paddle.Tensor:
    """Return x / max(|x|, eps), or x / (|x| + eps) if `added`, as the public SAGAN has it: (n,) -> (n,)."""
    if added:
        return x / (paddle.sqrt((x * x).sum()) + eps)
    if eps > SMALLEST:
        return F.normalize(x, axis=0, epsilon=eps)
    return unit_vector(x, eps)


def power_iteration(
    weight: paddle.Tensor, u: paddle.Tensor, v: paddle.Tensor, eps: float, added: bool = False
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Make one step of algorithm 1, without a gradient: (out,in), (out,), (in,) -> new u (out,) and v (in,)."""
    with paddle.no_grad():
        v = unit(paddle.matmul(weight, u, transpose_x=True), eps, added)  # weight.t() would copy
        u = unit(paddle.mv(weight, v), eps, added)
    return u, v


class SpectralNorm:
    """Divides the weight of a layer by an estimate of its largest singular value, sigma = u^T W v.

    The layer's `weight` becomes the parameter `name`; the buffers `weight_u` (out,) and `weight_v` (in,) start as
    normalised Gaussian vectors. The layer applies the raw weight and divides the result by sigma, which is the same but
    cheaper, since the weight is larger than a map.

    One forward may stand for several passes over equal parts of its batch (see `passes_in_one`): each pass makes a
    power iteration of its own, and each part is divided by the sigma of its pass. With `always`, power iterations are
    made in evaluation mode too.
    """

    def __init__(self, layer: nn.Layer, name: str, eps: float, added: bool = False, always: bool = False):
        self.layer, self.name, self.eps, self.added, self.always = layer, name, eps, added, always
        self.passes, self.repeating = 1, False
        self.pairs: list[tuple[paddle.Tensor, paddle.Tensor]] = []  # u and v of each pass of the last forward
        self.sigma: Any = None  # (passes,), of the last forward; None before the first
        weight = layer.weight
        del layer.weight
        layer.add_parameter(name, weight)
        first, *rest = weight.shape if not isinstance(layer, nn.Linear) else weight.shape[::-1]
        for vector, size in (("weight_u", first), ("weight_v", math.prod(rest))):  # those of self.matrix()
            layer.register_buffer(vector, unit(paddle.randn([size], weight.dtype), eps))
        layer.spectral = self

    @property
    def weight(self) -> paddle.Tensor:
        """The raw weight."""
        return getattr(self.layer, self.name)

    def matrix(self) -> paddle.Tensor:
        """Return the raw weight as a matrix (first axis, -1), that of a Linear transposed from Paddle's (in, out).

        The first axis is `out`, but `in` for a ConvTranspose2D, as in the public SAGAN; PyTorch's hook uses the second
        axis there.
        """
        # Not flatten, whose gradient is a copy.
        is_linear = isinstance(self.layer, nn.Linear)
        return self.weight.t() if is_linear else self.weight.reshape([self.weight.shape[0], -1])

    @in_float32
    def advance(self) -> None:
        """Compute `sigma`, (passes,), after the power iterations of a forward, if it makes any."""
        matrix = self.matrix()
        if not (self.repeating and self.pairs):
            self._iterate(matrix)
        if dispatch.taken("sums", matrix) or len(self.pairs) > 1:
            us, vs = (paddle.stack(each) for each in zip(*self.pairs, strict=True))
            self.sigma = (us * paddle.matmul(vs, matrix, transpose_y=True)).sum(1)
        else:  # the same with fewer operations, which a GPU would wait for
            ((u, v),) = self.pairs
            self.sigma = (u * paddle.mv(matrix, v)).sum(0, keepdim=True)

    def _iterate(self, matrix: paddle.Tensor) -> None:
        # A graph keeps the vectors of its own forward: new ones, or the buffers' values, stacked or never written over.
        layer, self.pairs = self.layer, []
        iterates = layer.training or self.always
        u, v = layer.weight_u, layer.weight_v
        for _ in range(self.passes):
            if iterates:
                u, v = power_iteration(matrix, u, v, self.eps, self.added)
            self.pairs.append((u, v))
        if iterates and dispatch.taken("sums", matrix):
            assign(layer.weight_u, u)
            assign(layer.weight_v, v)
        elif iterates:  # they become the buffers, which saves copies that a GPU would wait for
            replace_buffer(layer, "weight_u", u)
            replace_buffer(layer, "weight_v", v)

    def normalised(self, apply: Callable[[paddle.Tensor], paddle.Tensor]) -> paddle.Tensor:
        """Return apply(W / sigma) for a function that is linear in the weight, as apply(W) / sigma: (B,...)."""
        self.advance()
        if autocasting():
            return self._normalised_first(apply)
        out = apply(self.weight)
        if not dispatch.taken("sums", out):
            return out / self._for_each_image(out)
        parts = out.reshape([1, self.sigma.shape[0], -1, 1])
        return channel_scale(parts, (1 / self.sigma).reshape([1, -1, 1, 1])).reshape(out.shape)

    def _for_each_image(self, out: paddle.Tensor) -> paddle.Tensor:
        """Return the sigma by which each part of `out` (B,...) is divided, in a shape that is broadcast to it."""
        count = self.sigma.shape[0]
        if count == 1:
            return self.sigma
        sigma = self.sigma if out.shape[0] == count else self.sigma.repeat_interleave(out.shape[0] // count)
        return sigma.reshape([-1] + [1] * (out.ndim - 1))

    def _normalised_first(self, apply: Callable[[paddle.Tensor], paddle.Tensor]) -> paddle.Tensor:
        """Return the same with the weight divided before it is cast to half precision, where the raw one may overflow.

        It is divided by the sigma of the first pass, and the part of each later pass is corrected for its own.
        """
        out = apply(self.weight / self.sigma[0])
        if self.sigma.shape[0] == 1:
            return out
        parts = out.reshape([1, self.sigma.shape[0], -1, 1])
        return channel_scale(parts, (self.sigma[0] / self.sigma).reshape([1, -1, 1, 1])).reshape(out.shape)

    def __deepcopy__(self, memo: dict) -> "SpectralNorm":
        """Return a copy without the results of the last forward, whose graphs cannot be copied."""
        copied = memo[id(self)] = copy.copy(self)
        copied.layer, copied.pairs, copied.sigma = copy.deepcopy(self.layer, memo), [], None
        return copied


def spectral_norm(layer: nn.Layer, name: str = "weight_orig", eps: float = 1e-12, added: bool = False) -> nn.Layer:
    """Apply spectral normalisation to a Conv2D, ConvTranspose2D or Linear of this package, and return the layer."""
    SpectralNorm(layer, name, eps, added)
    return layer


def iterating_spectral_norm(layer: nn.Layer) -> nn.Layer:
    """Apply spectral normalisation as the TensorFlow code of U-GAT-IT does, and return the layer.

    There every forward makes a power iteration, also in evaluation mode, and a vector is divided by
    sqrt(max(its squared length, 1e-12)).
    """
    SpectralNorm(layer, "weight_orig", 1e-6, always=True)
    return layer


def _norms_of(*networks: nn.Layer) -> list[SpectralNorm]:
    layers = [layer for network in networks for layer in network.sublayers()]
    return [layer.spectral for layer in layers if getattr(layer, "spectral", None)]


@contextmanager
def passes_in_one(network: nn.Layer, count: int) -> Iterator[None]:
    """Within the block, have each forward of `network` stand for `count` passes over equal parts of its batch."""
    norms = _norms_of(network)
    for norm in norms:
        norm.passes = count
    try:
        yield
    finally:
        for norm in norms:
            norm.passes = 1


@contextmanager
def same_iterations(networks: Iterable[nn.Layer], repeat: bool = True) -> Iterator[None]:
    """Within the block, have the networks reuse the power iterations of the last forward instead of making new ones.

    This is how a batch is computed in parts. Nothing changes if `repeat` is False.
    """
    norms = _norms_of(*networks)
    for norm in norms:
        norm.repeating = repeat
    try:
        yield
    finally:
        for norm in norms:
            norm.repeating = False


class SpectralNormWrapper(nn.Layer):
    """Apply `module` with its weight divided by sigma; the shapes are those of the module.

    quirk: the public layer also iterates in evaluation mode, and changes u and v before the backward pass of an earlier
    forward. This one does neither, so its gradients are those of what its forward computed. As there, u and v are
    divided by their lengths plus 1e-12.
    """

    def __init__(self, module: nn.Layer):
        super().__init__()
        self.module = spectral_norm(module, name="weight_bar", added=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.module(x)
