"""The toy system's checkpoints."""

from paddle_ugatit.models.toy import Shade, ToyNetwork
from paddle_ugatit.weights.rules import KEEP
from paddle_ugatit.weights.shapes import already_plain, as_they_are, require_kinds, shape_of

MODELS = {"toy": "1"}
KINDS = ("toy network",)
NAMES = {"net": KINDS[0]}
HIDDEN = {}
EAGER = ()
RULES = {Shade: {"shade": KEEP}}


def infer_options(state, _framework, prefix):
    """{"kind": "toy network", "width"}."""
    if "shade.shade" not in state:
        return None
    return {"kind": KINDS[0], "width": shape_of(state, "first.weight", 4, prefix)[0]}


def build(options, _revision):
    """A network from `infer_options`' result."""
    return ToyNetwork(options["width"])


def require_names(options, path):
    """One bare network, or "net"."""
    require_kinds(options, NAMES, path)


unpacked, packed = already_plain, as_they_are
