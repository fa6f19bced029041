"""The checkpoint of FID's Inception: one bare network."""

from paddle_ugatit.models.inception import InceptionV3
from paddle_ugatit.weights.rules import WeightError
from paddle_ugatit.weights.shapes import shape_of

MODELS = {"inception": "2015-12-05"}
KINDS = ("inception",)
EAGER = ()
_KEY = "Conv2d_1a_3x3.conv.weight"


def infer_options(state, _framework, prefix):
    """{"kind": "inception", "narrow"}."""
    if _KEY not in state:
        return None
    return {"kind": "inception", "narrow": 32 // min(32, shape_of(state, _KEY, 4, prefix)[0])}


def build(options, _revision=None):
    """A network from `infer_options`' result."""
    return InceptionV3(options["narrow"])


def require_names(options, path):
    """It stands alone and without a name."""
    if list(options) != [""]:
        raise WeightError(f"{path}: network {next(name for name in options if name)!r} cannot hold an Inception")
