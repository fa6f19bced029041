"""The checkpoints of MTCNN: its three networks, each bare in a file of its own as published, or named in one file."""

from paddle import nn

from paddle_ugatit.formats import FilePath
from paddle_ugatit.models.mtcnn import ONet, PNet, RNet
from paddle_ugatit.weights.rules import Options, State
from paddle_ugatit.weights.shapes import already_plain, as_they_are, require_kinds

MODELS = {"mtcnn": "2016"}
HIDDEN: dict = {}
EAGER = ()
RULES: dict = {}  # its layers are those of layers/
_NETWORKS = {"pnet": PNet, "rnet": RNet, "onet": ONet}
KINDS = tuple(_NETWORKS)
NAMES = {kind: kind for kind in KINDS}
_SHOWN = {"pnet": "conv4_1.weight", "rnet": "dense5_1.weight", "onet": "dense6_1.weight"}  # a key of no other


def infer_options(state: State, _framework: str, _prefix: str) -> Options | None:
    """Return {"kind"}, None for a network of another system: every other size is fixed."""
    for kind, key in _SHOWN.items():
        if key in state and "prelu1.weight" in state:
            return {"kind": kind}
    return None


def build(options: Options, _revision: str | None = None) -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    return _NETWORKS[options["kind"]]()


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError unless every network is bare or has the name of its kind."""
    require_kinds(options, NAMES, path)


unpacked, packed = already_plain, as_they_are
