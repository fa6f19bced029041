"""StyleGAN2's networks as graphs. Contents: build_stylegan2_graph (G), build_styles_graph (S).

Enlarging and blurring are products with matrices, as in the layers: the sizes of all maps are known.
"""

import numpy as np

from paddle_ugatit.deploy.graph import FLOAT, Graph
from paddle_ugatit.deploy.rules import RULES, conv2d, layer, leaky_relu, linear, parameter, values_of, weight
from paddle_ugatit.layers.twice_differentiable import Blur, SmoothConv2D, SmoothLeakyReLU, SmoothLinear
from paddle_ugatit.models.stylegan2 import (
    Conv2DMod,
    EqualLinear,
    GeneratorBlock,
    RGBBlock,
    StyleGAN2Generator,
    StyleVectorizer,
)


def build_stylegan2_graph(network: StyleGAN2Generator) -> Graph:
    """Return the graph of G: styles (B,layers,latent), noise (B,S,S,1) in [0,1] -> image (B,3,S,S) in about [0,1]."""
    g, size = Graph(), network.image_size
    styles = g.input("styles", "float32", "batch", network.num_layers, network.latent_dim)
    noise = g.input("noise", "float32", "batch", size, size, 1)
    x = layer(g, network.initial_conv, "initial_conv", parameter(g, "initial_block", network.initial_block))
    image, side = "", 4
    for i, block in enumerate(network.blocks):
        with g.scope(f"blocks.{i}"):
            style = g.apply("Slice", styles, g.integers(i), g.integers(i + 1), g.integers(1))
            style = g.apply("Reshape", style, g.integers(0, network.latent_dim))
        x, image, side = generator_block(g, block, f"blocks.{i}", x, image, style, noise, side)
    g.output(image, "image", "float32", "batch", 3, size, size)
    return g


def build_styles_graph(network: StyleVectorizer) -> Graph:
    """Return the graph of S: z (B,latent) -> style (B,latent)."""
    g = Graph()
    latent = int(network.net[0].weight.shape[0])
    z = g.input("z", "float32", "batch", latent)
    length = g.apply("Sqrt", g.apply("ReduceSum", g.apply("Mul", z, z), g.integers(1), keepdims=1))
    x = g.apply("Div", z, g.apply("Max", length, g.number(1e-12)))
    g.output(layer(g, network.net, "net", x), "style", "float32", "batch", latent)
    return g


def generator_block(
    g: Graph, block: GeneratorBlock, prefix: str, x: str, image: str, style: str, noise: str, side: int
) -> tuple[str, str, int]:
    """Two modulated convolutions with noise, and an image from the result; returns also the new side of the map."""
    with g.scope(prefix):
        if block.upsample is not None:
            x, side = along_both(g, x, doubling(side)), 2 * side
        cut = g.apply("Slice", noise, g.integers(0, 0), g.integers(side, side), g.integers(1, 2))
        for i in (1, 2):
            modulation = linear(g, getattr(block, f"to_style{i}"), f"{prefix}.to_style{i}", style)
            x = modulated(g, getattr(block, f"conv{i}"), f"{prefix}.conv{i}", x, modulation)
            added = linear(g, getattr(block, f"to_noise{i}"), f"{prefix}.to_noise{i}", cut)
            # quirk: rows and columns of the noise are swapped.
            x = g.apply("Add", x, g.apply("Transpose", added, perm=(0, 3, 2, 1)))
            x = leaky_relu(g, block.activation, prefix, x)
        return x, rgb_block(g, block.to_rgb, f"{prefix}.to_rgb", x, image, style, side), side


def rgb_block(g: Graph, block: RGBBlock, prefix: str, x: str, previous: str, style: str, side: int) -> str:
    """Add a block's image to the image of the blocks before it, and double its size where the block does."""
    with g.scope(prefix):
        modulation = linear(g, block.to_style, f"{prefix}.to_style", style)
        image = modulated(g, block.conv, f"{prefix}.conv", x, modulation)
        if previous:
            image = g.apply("Add", image, previous)
        if block.upsample is None:
            return image
        return along_both(g, along_both(g, image, doubling(side)), blurring(2 * side, block.upsample[1]))


def modulated(g: Graph, conv: Conv2DMod, prefix: str, x: str, y: str) -> str:
    """conv(x (y + 1)), divided by its norm if the layer demodulates: (B,in,H,W), (B,in) -> (B,out,H,W)."""
    scale = g.apply("Add", y, g.number(1.0))
    kernel = weight(g, f"{prefix}.weight", conv.weight, 0)
    size = int(conv.weight.shape[2])
    out = g.apply(
        "Conv",
        g.apply("Mul", x, g.apply("Unsqueeze", scale, g.integers(2, 3))),
        kernel,
        pads=(conv.padding,) * 4,
        strides=(1, 1),
        kernel_shape=(size, size),
    )
    if not conv.demod:
        return out
    energy = g.apply("ReduceSum", g.apply("Mul", kernel, kernel), g.integers(2, 3), keepdims=0)  # (out,in)
    squares = g.apply("MatMul", g.apply("Mul", scale, scale), g.apply("Transpose", energy, perm=(1, 0)))
    norm = g.apply("Sqrt", g.apply("Add", squares, g.number(conv.eps)))
    return g.apply("Div", out, g.apply("Unsqueeze", norm, g.integers(2, 3)))


def equal_linear(g: Graph, each: EqualLinear, prefix: str, x: str) -> str:
    """x (lr_mul W) + lr_mul b: (B,in) -> (B,out)."""
    factor = g.number(each.lr_mul)
    matrix = g.apply("Mul", weight(g, f"{prefix}.weight", each.weight, 1), factor)
    bias = g.apply("Mul", parameter(g, f"{prefix}.bias", each.bias), factor)
    return g.apply("Add", g.apply("MatMul", x, matrix), bias)


def doubling(n: int) -> np.ndarray:
    """Return the matrix (2n,n) that doubles an axis by linear interpolation; beyond the border lies its value."""
    places = np.clip((np.arange(2 * n) - 0.5) / 2, 0, n - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(n)))


def blurring(n: int, blur: Blur) -> np.ndarray:
    """Return the matrix (n,n) that filters an axis with the blur's weights, borders reflected."""
    taps = values_of(blur.f).astype(np.float64)
    matrix = np.zeros((n, n))
    for i in range(n):
        for tap, share in zip((-1, 0, 1), taps / taps.sum(), strict=True):
            at = abs(i + tap)
            matrix[i, at if at < n else 2 * (n - 1) - at] += share
    return matrix


def along_both(g: Graph, x: str, matrix: np.ndarray) -> str:
    """Multiply rows and columns by a matrix: (B,C,H,W) -> (B,C,H',W')."""
    name = f"along.{'x'.join(map(str, matrix.shape))}"
    return g.apply("MatMul", g.apply("MatMul", exact(g, name, matrix), x), exact(g, f"{name}.transposed", matrix.T))


def exact(g: Graph, name: str, values: np.ndarray) -> str:
    """Add an array of float64 values, as float32 where that holds them."""
    if (values.astype(np.float32) == values).all():
        return g.array(name, values.astype(np.float32))
    if f"{name}.exact" not in g.arrays:
        g.apply("Cast", g.array(f"{name}.exact", values), out=name, to=FLOAT)
    return name


RULES.update({EqualLinear: equal_linear, SmoothLinear: linear, SmoothConv2D: conv2d, SmoothLeakyReLU: leaky_relu})
