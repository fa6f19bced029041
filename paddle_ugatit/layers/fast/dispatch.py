"""Decides how a layer is computed: by its plain formula, or by a faster way, equal up to the order of additions.

Contents: WAYS, plain (a context in which ways are switched off), twice_differentiable and is_twice_differentiable (a
context in which operations have second derivatives), taken, convolution, fused, mirrored. A faster way is taken only
on a CPU, in dynamic mode (an exporter needs plain operations), and for float32 and float64 outside of mixed precision;
the functions below add conditions on the shapes. The limits are the sizes from which a way was measured to be faster
(docs/speed.md).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paddle

from paddle_ugatit.backend import device
from paddle_ugatit.backend.mixed import autocasting
from paddle_ugatit.layers.fast import winograd
from paddle_ugatit.layers.fast.gathered import gathered_conv
from paddle_ugatit.layers.fast.scattered import partial_sums_conv, scattered_conv
from paddle_ugatit.layers.fast.unfolded import unfolded_conv

WAYS = {
    "sums": "sums over a map as products with ones, gradients of scales and shifts by the same sums",
    "statistics": "means and variances with a backward pass of their own",
    "folded": "both normalisations of AdaILN as one scale and one shift per channel",
    "reflection": "reflected borders by slices, of small maps by products",
    "leaky": "leaky ReLU with a backward pass of its own",
    "tiles": "convolutions of 3x3 and 4x4 taps by Winograd's tiles",
    "scattered": "convolutions with few outputs by scattering",
    "unfolded": "convolutions of small maps by one product for the whole batch",
    "gathered": "gradients of convolutions with some outputs by products of gathered pixels",
    "partial sums": "convolutions with one output in partial sums, which keeps a digit in float32",
    "fused": "a reflected border, and an upsampling before it, within the convolution that follows",
}
MANY, SOME, FEW = 64, 64, 4  # channels
# Of Winograd's tiles, plainly and after an upsampling: pixels of the batch's maps, and those times the harmonic sum of
# the channels, from which they are faster; and pixels for each of that sum, below which the weights take too long.
TILED, TILED_TWICE, PER_WEIGHT = (512, 1 << 15), (256, 5 << 10), 4
# The same of 4x4 taps, whose channels must be MANY: pixels, and pixels for each of that sum.
TILED_FOUR, PER_WEIGHT_FOUR = 200, 1.3
SMALL_BATCH = 128  # output pixels of a batch up to which `unfolded` is faster
LARGE_MAP = 512  # output pixels of a map from which `gathered` is faster
SMALL_MAP = 16  # longer side up to which a map is reflected by products; twice that in the backward pass

_switched_off: set[str] = set()
_twice: list[None] = []  # one element for each block of twice_differentiable that is open


@contextmanager
def plain(*ways: str) -> Iterator[None]:
    """Within the block, switch off the named ways of WAYS, or all of them if none is named.

    Raises ValueError if a name is not in WAYS.
    """
    if unknown := [way for way in ways if way not in WAYS]:
        raise ValueError(f"unknown way {unknown[0]!r}: choose from {', '.join(WAYS)}")
    before = set(_switched_off)
    _switched_off.update(ways or WAYS)
    try:
        yield
    finally:
        _switched_off.clear()
        _switched_off.update(before)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within the block, compute layers by operations of which Paddle has second derivatives, as a penalty needs."""
    _twice.append(None)
    try:
        with plain():
            yield
    finally:
        _twice.pop()


def is_twice_differentiable() -> bool:
    """Return whether a block of `twice_differentiable` is open."""
    return bool(_twice)


def taken(way: str, x: paddle.Tensor) -> bool:
    """Return whether a faster way may be taken for this tensor, by its device, its dtype and the switches."""
    if way in _switched_off or not paddle.in_dynamic_mode():
        return False
    return device.on_cpu(x) and x.dtype in (paddle.float32, paddle.float64) and not autocasting()


def convolution(x: paddle.Tensor, weight: paddle.Tensor, stride: int, padding: int) -> Callable | None:
    """Return the function (x, weight, stride) that computes this convolution faster, or None if there is none.

    x (B,in,H,W), weight (out,in,k,k).
    """
    if padding:
        return None
    batch, _, *size = x.shape
    outputs, inputs, kernel, _ = weight.shape
    if outputs == 1:
        return partial_sums_conv if taken("partial sums", x) else None
    tiled = _tiles_suit(weight, batch, size[0] - 2, size[1] - 2) or _tiles_of_four_suit(weight, x.shape)
    if stride == 1 and tiled and taken("tiles", x):
        return winograd.winograd_conv
    if stride == 1 and kernel > 1 and outputs <= FEW and inputs >= 2 * FEW and taken("scattered", x):
        return scattered_conv
    height, width = ((n - kernel) // stride + 1 for n in size)
    if _unfolding_suits(weight, batch * height * width) and taken("unfolded", x):
        return unfolded_conv
    learns = paddle.is_grad_enabled() and not weight.stop_gradient
    suits = kernel > 1 and _gathering_suits(weight, height * width)
    return gathered_conv if suits and learns and taken("gathered", x) else None


def fused(x: paddle.Tensor, weight: paddle.Tensor, twice: bool = False) -> bool:
    """Return whether a reflected border of one pixel is fused with the 3x3 convolution that follows.

    x (B,in,H,W), weight (out,in,3,3). With `twice`, the map is doubled before.
    """
    batch, _, height, width = x.shape
    return _tiles_suit(weight, batch, height, width, twice) and taken("tiles", x) and taken("fused", x)


def mirrored(height: int, width: int, limit: int = 1) -> bool:
    """Return whether a border is reflected by products, as in maps of up to `limit` * SMALL_MAP pixels a side."""
    return max(height, width) <= limit * SMALL_MAP


def _tiles_suit(weight: paddle.Tensor, batch: int, height: int, width: int, twice: bool = False) -> bool:
    """Return whether Winograd's tiles suit this weight (out,in,k,k) and maps of this height and width."""
    outputs, inputs, kernel, _ = weight.shape
    if kernel != 3 or height % winograd.step(kernel) or width % winograd.step(kernel):
        return False
    # The products grow with the channels multiplied, cutting into tiles with those added.
    pixels, channels = batch * height * width, inputs * outputs / (inputs + outputs)
    least, work = TILED_TWICE if twice else TILED
    return pixels >= max(least, PER_WEIGHT * channels) and pixels * channels >= work


def _unfolding_suits(weight: paddle.Tensor, pixels: int) -> bool:
    """Return whether one product for a batch of so many output pixels suits this weight (out,in,k,k)."""
    return pixels <= SMALL_BATCH and min(weight.shape[:2]) >= MANY


def _gathering_suits(weight: paddle.Tensor, pixels: int) -> bool:
    """Return whether gathered pixels suit the gradient of this weight (out,in,k,k) for a map of so many pixels."""
    return weight.shape[0] <= SOME and pixels >= LARGE_MAP


def _tiles_of_four_suit(weight: paddle.Tensor, shape: list[int]) -> bool:
    """Return whether Winograd's tiles suit this weight (out,in,4,4) and maps of this shape (B,in,H+3,W+3)."""
    outputs, inputs, kernel, _ = weight.shape
    batch, _, height, width = shape
    if kernel != 4 or min(inputs, outputs) < MANY or max(height, width) > winograd.DENSE:
        return False
    channels = inputs * outputs / (inputs + outputs)
    return batch * (height - 3) * (width - 3) >= max(TILED_FOUR, PER_WEIGHT_FOUR * channels)
