"""The layers and networks of MTCNN as cases, with the published weights where the wheel that holds them is installed.

They are the only networks here that are compared with weights somebody trained and published: `Wheel` reads them.
"""

from dataclasses import dataclass

from align.cases.case import Case
from paddle_ugatit import formats
from paddle_ugatit.inference.published_faces import WHEEL, published_file

_PRELU, _MODEL = "layers/prelu.py", "models/mtcnn.py"
_OUTPUTS = {"PNet": "boxes, probabilities", "RNet": "boxes, probabilities", "ONet": "boxes, landmarks, probabilities"}
_SHAPES = {"PNet": [(1, 3, 12, 12), (3, 3, 37, 30)], "RNet": [(3, 3, 24, 24)], "ONet": [(3, 3, 48, 48)]}


@dataclass(frozen=True)
class Wheel:
    """The trained weights of one network in the wheel, if it is installed."""

    network: str  # "pnet", "rnet" or "onet"

    def weights(self):
        """Return the file's arrays by name, in PyTorch's layout; None where the wheel is not installed."""
        path = published_file(self.network)
        return {key: array.copy() for key, array in formats.read(path).networks[""].items()} if path else None

    def about(self):
        """Return which weights are compared, for a report."""
        path = published_file(self.network)
        if path is None:
            return f"random, since {WHEEL} is not installed"
        return f"real, {path.name} of {WHEEL}, sha256 {formats.sha256(path)[:8]}"


def mtcnn_case(name, layer, shape, published=None):
    """Return a case of PNet, RNet or ONet on one batch of `shape`."""
    build = lambda L: getattr(L.mtcnn, layer)()  # noqa: E731
    return Case(name, build, [tuple(shape)], _OUTPUTS[layer], _MODEL, layer, published=published)


CASES = [
    Case("prelu", lambda L: L.PReLU(8), [(3, 8, 9, 7)], "max(0, x) + w min(0, x)", _PRELU, "PReLU"),
    Case("prelu-zeros", lambda L: L.PReLU(8), [(3, 8, 9, 7)], "max(0, x) + w min(0, x)", _PRELU, "PReLU", zeros=True),
    Case("prelu-rows", lambda L: L.PReLU(9), [(5, 9)], "max(0, x) + w min(0, x)", _PRELU, "PReLU"),
]
CASES += [
    mtcnn_case(f"mtcnn-{layer.lower()}{'-odd' if number else ''}", layer, shape, Wheel(layer.lower()))
    for layer, shapes in _SHAPES.items()
    for number, shape in enumerate(shapes)
]


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/mtcnn.py describes it."""
    layer = {"pnet": "PNet", "rnet": "RNet", "onet": "ONet"}[kind]
    own = _SHAPES[layer][0][-1]
    side = (size or 64) if layer == "PNet" else own
    return mtcnn_case(name, layer, (batch, 3, side, side))
