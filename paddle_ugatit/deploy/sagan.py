"""SAGAN's generator as a graph. Contents: build_sagan_graph. Weights are divided by their sigma within the graph."""

from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.rules import conv2d, layer, parameter
from paddle_ugatit.models.sagan import SAGANGenerator, SelfAttention


def build_sagan_graph(network: SAGANGenerator) -> Graph:
    """Return the graph of a generator: z (B,z) -> image (B,3,S,S), attention1 (B,N,N), attention2 (B,N,N)."""
    g, size = Graph(), network.image_size
    z = g.input("z", "float32", "batch", network.z_dim)
    x = g.apply("Reshape", z, g.integers(0, network.z_dim, 1, 1))
    for i in range(1, network.depth):
        x = layer(g, getattr(network, f"l{i}"), f"l{i}", x)
    x, attention1 = self_attention(g, network.attn1, "attn1", x, size // 4)
    x = layer(g, getattr(network, f"l{network.depth}"), f"l{network.depth}", x)
    x, attention2 = self_attention(g, network.attn2, "attn2", x, size // 2)
    g.output(layer(g, network.last, "last", x), "image", "float32", "batch", 3, size, size)
    for name, value, pixels in (
        ("attention1", attention1, (size // 4) ** 2),
        ("attention2", attention2, (size // 2) ** 2),
    ):
        g.output(value, name, "float32", "batch", pixels, pixels)
    return g


def self_attention(g: Graph, attend: SelfAttention, prefix: str, x: str, side: int) -> tuple[str, str]:
    """gamma v softmax(q^T k)^T + x over maps of `side` pixels: (B,C,H,W) -> (B,C,H,W), (B,N,N)."""
    with g.scope(prefix):
        query, key, value = (
            g.apply(
                "Reshape", conv2d(g, conv, f"{prefix}.{name}", x), g.integers(0, int(conv.weight.shape[0]), side**2)
            )
            for name, conv in (
                ("query_conv", attend.query_conv),
                ("key_conv", attend.key_conv),
                ("value_conv", attend.value_conv),
            )
        )
        products = g.apply("MatMul", g.apply("Transpose", query, perm=(0, 2, 1)), key)
        attention = g.apply("Softmax", products, axis=2)
        out = g.apply("MatMul", value, g.apply("Transpose", attention, perm=(0, 2, 1)))
        out = g.apply("Reshape", out, g.integers(0, int(attend.value_conv.weight.shape[0]), side, side))
        out = g.apply("Mul", out, parameter(g, f"{prefix}.gamma", attend.gamma))
        return g.apply("Add", out, x), attention
