"""U-GAT-IT's generator as a graph: every revision, light and full.

Contents: build_generator_graph, add_generator. The attended maps and the 1x1 convolution after them are one
convolution, W = W_gap diag(gap) + W_gmp diag(gmp): its kernel is computed within the graph, from the weights as they
are.
"""

import paddle

from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.rules import RULES, SPACE, convolution, layer, linear, mean, parameter, weight
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.models.ugatit import ResnetAdaILNBlock, ResnetBlock, ResnetGenerator

IMAGE, HEATMAP = ("height", "width"), ("heatmap_height", "heatmap_width")


def build_generator_graph(network: ResnetGenerator, size: int | None = None) -> Graph:
    """Return the graph of a generator: image (B,in,H,W) -> translated (B,out,H,W), cam_logit (B,2), heatmap (B,1,h,w).

    The batch varies; height and width vary too in a light generator, unless `size` fixes them. A side that 4 does not
    divide makes the translated image a little larger, as in the network itself. Raises ValueError if the generator does
    not take that size.
    """
    g = Graph()
    sides = sizes_of(network, size)
    image = g.input("image", "float32", "batch", channels(network)[0], *sides[0])
    translated, cam_logit, heatmap = add_generator(g, network, image)
    grown: tuple[int | str, ...] = ("translated_height", "translated_width") if isinstance(sides[0][0], str) else ()
    if not grown:
        grown = tuple(4 * int(side) for side in sides[1])
    g.output(translated, "translated", "float32", "batch", channels(network)[1], *grown)
    g.output(cam_logit, "cam_logit", "float32", "batch", 2)
    g.output(heatmap, "heatmap", "float32", "batch", 1, *sides[1])
    return g


def channels(network: ResnetGenerator) -> tuple[int, int]:
    """Return the numbers of channels of a generator's input and output."""
    return int(network.DownBlock[1].weight.shape[1]), int(network.UpBlock2[11].weight.shape[0])


def sizes_of(network: ResnetGenerator, size: int | None) -> tuple[tuple[int | str, ...], tuple[int | str, ...]]:
    """Return the height and width of a generator's images and of its heatmaps, as texts where they vary.

    Raises ValueError if the generator does not take images of `size` pixels a side.
    """
    if not network.light:
        if size not in (None, network.img_size):
            raise ValueError(f"this full model takes {network.img_size} pixels only, not {size}")
        size = network.img_size
    if size is None:
        return IMAGE, HEATMAP
    if size < 5:
        raise ValueError(f"a light model takes images of 5 pixels or more, not {size}")
    quarter = (size + 3) // 4  # two convolutions with stride 2, which round up
    return (size, size), (quarter, quarter)


def add_generator(g: Graph, network: ResnetGenerator, x: str) -> tuple[str, str, str]:
    """Add a generator that takes x: (B,in,H,W) -> translated (B,out,H,W), cam_logit (B,2), heatmap (B,1,H/4,W/4)."""
    x = layer(g, network.DownBlock, "DownBlock", x)
    with g.scope("cam"):
        pooled = mean(g, x, SPACE, keep=False), g.apply("ReduceMax", x, axes=SPACE, keepdims=0)
        cam_logit = g.apply("Concat", *cam_logits(g, network, *pooled), axis=1)
        kernel = attended_kernel(g, network, *factors(g, network))
    with g.scope("conv1x1"):
        x = g.apply("Relu", convolution(g, network.conv1x1, "conv1x1", x, kernel))
    heatmap = g.apply("ReduceSum", x, g.integers(1), keepdims=1, out=g.named("heat"))
    gamma, beta = add_style(g, network, x)
    for i in range(network.n_blocks):
        name = f"UpBlock1_{i + 1}"
        x = ada_iln_block(g, getattr(network, name), name, x, gamma, beta)
    return layer(g, network.UpBlock2, "UpBlock2", x), cam_logit, heatmap


def heads(network: ResnetGenerator) -> tuple[tuple[str, Linear], tuple[str, Linear]]:
    """Return the names and layers that classify the mean and the maximum of a map."""
    if not network.tensorflow:
        return ("gap_fc", network.gap_fc), ("gmp_fc", network.gmp_fc)
    one = ("logit_fc", network.logit_fc) if network.older_cam else ("cam_fc", network.cam_fc)
    return one, one


def cam_logits(g: Graph, network: ResnetGenerator, average: str, maximum: str) -> tuple[str, str]:
    """Return the logits of the mean and of the maximum: (B,C), (B,C) -> (B,1), (B,1)."""
    by_mean, by_maximum = heads(network)
    return linear(g, by_mean[1], by_mean[0], average), linear(g, by_maximum[1], by_maximum[0], maximum)


def factors(g: Graph, network: ResnetGenerator) -> tuple[str, str]:
    """Return the factors by which the maps are weighted in either half of the attended maps: (1,C,1,1), (1,C,1,1)."""
    if not network.tensorflow:
        return factor(g, "gap_fc", network.gap_fc.weight), factor(g, "gmp_fc", network.gmp_fc.weight)
    # quirk: the bias of the logit is part of the factor of every map, and both halves are the same.
    bias = parameter(g, "cam_fc.bias", network.cam_fc.bias)
    both = g.apply("Add", factor(g, "cam_fc", network.cam_fc.weight), bias)
    return both, both


def factor(g: Graph, name: str, tensor: paddle.Tensor) -> str:
    """Return the weight (C,1) of a head as factors of maps: (1,C,1,1)."""
    return g.apply("Reshape", weight(g, f"{name}.weight", tensor, 1), g.integers(1, -1, 1, 1))


def attended_kernel(g: Graph, network: ResnetGenerator, by_mean: str, by_maximum: str) -> str:
    """Return the kernel of the 1x1 convolution (C,2C,1,1) as one over unattended maps: (C,C,1,1)."""
    kernel = weight(g, "conv1x1.weight", network.conv1x1.weight, 0)
    half = int(network.conv1x1.weight.shape[1]) // 2
    parts = [
        g.apply("Slice", kernel, g.integers(start), g.integers(start + half), g.integers(1)) for start in (0, half)
    ]
    scaled = [g.apply("Mul", part, each) for part, each in zip(parts, (by_mean, by_maximum), strict=True)]
    return g.apply("Add", *scaled)


def add_style(g: Graph, network: ResnetGenerator, x: str) -> tuple[str, str]:
    """Return gamma and beta of the decoder's norms: (B,C,h,w) -> (B,C,1,1), (B,C,1,1)."""
    with g.scope("FC"):
        if network.light:
            style = mean(g, x, SPACE, keep=False)
        else:  # quirk: TensorFlow's maps have their channels last
            last = g.apply("Transpose", x, perm=(0, 2, 3, 1)) if network.tensorflow else x
            style = g.apply("Flatten", last, axis=1)
    style = layer(g, network.FC, "FC", style)
    gamma, beta = (layer(g, getattr(network, name), name, style) for name in ("gamma", "beta"))
    return g.apply("Unsqueeze", gamma, g.integers(2, 3)), g.apply("Unsqueeze", beta, g.integers(2, 3))


def resnet_block(g: Graph, block: ResnetBlock, prefix: str, x: str) -> str:
    """x + conv_block(x): (B,C,H,W) -> (B,C,H,W)."""
    return g.apply("Add", x, layer(g, block.conv_block, f"{prefix}.conv_block", x))


def ada_iln_block(g: Graph, block: ResnetAdaILNBlock, prefix: str, x: str, gamma: str, beta: str) -> str:
    """The decoder's residual block, without a skip in the initial revision: (B,C,H,W) -> (B,C,H,W)."""

    def conv(number: int, value: str) -> str:
        value = layer(g, getattr(block, f"pad{number}"), f"{prefix}.pad{number}", value)
        value = layer(g, getattr(block, f"conv{number}"), f"{prefix}.conv{number}", value)
        return layer(g, getattr(block, f"norm{number}"), f"{prefix}.norm{number}", value, gamma, beta)

    out = conv(2, layer(g, block.relu1, f"{prefix}.relu1", conv(1, x)))
    with g.scope(prefix):
        return out if block.revision == "initial" else g.apply("Add", out, x)


RULES[ResnetBlock] = resnet_block
