"""AdaIN's style transfer as a graph: the encoder twice, AdaIN, the decoder.

Contents: build_transfer_graph. The content, the style and the strength alpha are inputs; sizes vary.
"""

from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.rules import SPACE, centred, count, inverse_deviation, mean, sequence, unbiased, variance
from paddle_ugatit.layers.norm import AdaIN
from paddle_ugatit.models.adain import StyleTransfer


def build_transfer_graph(network: StyleTransfer) -> Graph:
    """Return the graph of decoder((1 - alpha) f(c) + alpha AdaIN(f(c), f(s))).

    content (B,3,H,W), style (B or 1,3,h,w), alpha (1,) -> stylised (B,3,8 ceil(H/8),8 ceil(W/8)).
    """
    g = Graph()
    content = g.input("content", "float32", "batch", 3, "height", "width")
    style = g.input("style", "float32", "style_batch", 3, "style_height", "style_width")
    alpha = g.input("alpha", "float32", 1)
    content, style = (sequence(g, network.encoder, "encoder", x) for x in (content, style))
    with g.scope("adain"):
        moved = adain(g, network.adain, content, style)
        kept = g.apply("Mul", g.apply("Sub", g.number(1.0), alpha), content)
        mixed = g.apply("Add", kept, g.apply("Mul", alpha, moved))
    g.output(
        sequence(g, network.decoder, "decoder", mixed),
        "stylised",
        "float32",
        "batch",
        3,
        "stylised_height",
        "stylised_width",
    )
    return g


def adain(g: Graph, norm: AdaIN, x: str, y: str) -> str:
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y): (B,C,H,W), (B or 1,C,h,w) -> (B,C,H,W)."""
    away = centred(g, x, SPACE)
    var_x = unbiased(g, variance(g, away, SPACE), count(g, x, 2))
    var_y = unbiased(g, variance(g, centred(g, y, SPACE), SPACE), count(g, y, 2))
    deviation = g.apply("Sqrt", g.apply("Add", var_y, g.number(norm.eps)))
    scale = g.apply("Mul", deviation, inverse_deviation(g, var_x, norm.eps))
    return g.apply("Add", g.apply("Mul", away, scale), mean(g, y, SPACE))
