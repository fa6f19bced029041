"""The checkpoint of FID's Inception: one bare network."""

from paddle import nn

from paddle_ugatit.formats import FilePath
from paddle_ugatit.models.inception import InceptionV3
from paddle_ugatit.weights.rules import Options, State, WeightError
from paddle_ugatit.weights.shapes import already_plain, as_they_are, shape_of

MODELS = {"inception": "2015-12-05"}
KINDS = ("inception",)
NAMES: dict = {}
HIDDEN: dict = {}
EAGER = ()
RULES: dict = {}  # it has no layers of its own with arrays
_KEY = "Conv2d_1a_3x3.conv.weight"


def infer_options(state: State, _framework: str, prefix: str) -> Options | None:
    """Return {"kind": "inception", "narrow"}, None for a network of another system."""
    if _KEY not in state:
        return None
    return {"kind": "inception", "narrow": 32 // min(32, shape_of(state, _KEY, 4, prefix)[0])}


def build(options: Options, _revision: str | None = None) -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    return InceptionV3(options["narrow"])


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError unless the network is alone and bare."""
    if list(options) != [""]:
        raise WeightError(f"{path}: network {next(name for name in options if name)!r} cannot hold an Inception")


unpacked, packed = already_plain, as_they_are
