"""The generator as a model of pictures: uint8 pixels in and out, of any size, as tools/translate.py takes them.

Contents: build_picture_graph. Scaling to [-1,1], the reflected border up to a multiple of 4, its removal and rounding
are part of the graph.
"""

from paddle_ugatit.deploy.graph import FLOAT, UINT8, Graph, pruned
from paddle_ugatit.deploy.ugatit import add_generator, channels, sizes_of
from paddle_ugatit.models.ugatit import ResnetGenerator


def build_picture_graph(network: ResnetGenerator, size: int | None = None) -> Graph:
    """Return the graph of a generator on pictures, RGB: picture (B,H,W,3) -> translated (B,H,W,3), heatmap (B,1,h,w).

    Pictures are uint8, the heatmap is the network's own, with a quarter of the height and width rounded up. A full
    generator takes its own size only; `size` fixes that of a light one, which otherwise takes any of 5 pixels or more.
    Raises ValueError if the generator does not map RGB to RGB, or does not take that size.
    """
    if channels(network) != (3, 3):
        raise ValueError(f"a picture model needs 3 input and 3 output channels, not {channels(network)}")
    g = Graph()
    sides, quarters = sizes_of(network, size)
    picture = g.input("picture", "uint8", "batch", *sides, 3)
    with g.scope("picture"):
        x = scaled(g, picture)
        if network.light:
            x = bordered(g, picture, x)
    translated, _, heatmap = add_generator(g, network, x)
    with g.scope("pixels"):
        if network.light:
            translated = cropped(g, picture, translated)
        pixels = rounded(g, translated)
    g.output(pixels, "translated", "uint8", "batch", *sides, 3)
    g.output(heatmap, "heatmap", "float32", "batch", 1, *quarters)
    return pruned(g)


def scaled(g: Graph, picture: str) -> str:
    """Return pixels in [-1,1], rounded after each operation as `transforms.to_input` does: (B,H,W,3) -> (B,3,H,W)."""
    x = g.apply("Div", g.apply("Cast", picture, to=FLOAT), g.number(255.0))
    x = g.apply("Div", g.apply("Sub", x, g.number(0.5)), g.number(0.5))
    return g.apply("Transpose", x, perm=(0, 3, 1, 2))


def bordered(g: Graph, picture: str, x: str) -> str:
    """Reflect rows below and columns to the right until 4 divides both sides: (B,3,H,W) -> (B,3,H',W')."""
    sides = g.apply("Shape", picture, start=1, end=3)
    missing = g.apply("Mod", g.apply("Sub", g.integers(0), sides), g.integers(4))
    return g.apply("Pad", x, g.apply("Concat", g.integers(0, 0, 0, 0, 0, 0), missing, axis=0), mode="reflect")


def cropped(g: Graph, picture: str, x: str) -> str:
    """Cut off what `bordered` added: (B,3,H',W') -> (B,3,H,W)."""
    sides = g.apply("Shape", picture, start=1, end=3)
    return g.apply("Slice", x, g.integers(0, 0), sides, g.integers(2, 3))


def rounded(g: Graph, x: str) -> str:
    """Return an image as pixels, rounded half to even: (B,3,H,W) in [-1,1] -> uint8 (B,H,W,3)."""
    x = g.apply("Transpose", g.apply("Add", x, g.number(1.0)), perm=(0, 2, 3, 1))
    levels = g.apply("Mul", x, g.number(127.5), out="levels")
    whole = g.apply("Clip", g.apply("Round", levels), g.number(0.0), g.number(255.0))
    return g.apply("Cast", whole, to=UINT8)
