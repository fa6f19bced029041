"""AdaIN's checkpoints: encoder and decoder under these names, or one of them bare, as the public files hold them.

`vgg_normalised.pth` has all 53 places of VGG-19's Sequential, to relu5_4. Nothing reads those after relu4_1: they are
dropped on import, with a note. `decoder.pth` has all that the decoder has.
"""

from paddle_ugatit import formats
from paddle_ugatit.models.adain import Decoder, Encoder
from paddle_ugatit.weights.rules import WeightError
from paddle_ugatit.weights.shapes import shape_of

MODELS = {"adain": "2017"}
KINDS = ("encoder", "decoder")
EAGER = ()
# The first convolution of each that has `ch` outputs or inputs; the other one has no array of that name.
_NARROW = {"encoder": ("2.weight", 0), "decoder": ("25.weight", 1)}
_UNREAD = (32, 35, 38, 42, 45, 48, 51)  # places of the convolutions after relu4_1: conv4_2 to conv5_4


def infer_options(state, _framework, prefix):
    """{"kind": "encoder" or "decoder", "ch"}."""
    for kind, (key, axis) in _NARROW.items():
        if key in state:
            return {"kind": kind, "ch": shape_of(state, key, 4, prefix)[axis]}
    return None


def build(options, _revision=None):
    """A network from `infer_options`' result."""
    return {"encoder": Encoder, "decoder": Decoder}[options["kind"]](options["ch"])


def require_names(options, path):
    """A network under a name is of that kind."""
    for name, chosen in options.items():
        if name not in ("", chosen["kind"]):
            raise WeightError(
                f"{path}: network {name!r} holds {'an' if chosen['kind'][0] == 'e' else 'a'} {chosen['kind']}"
            )


def unpacked(checkpoint, path, notes):
    """The file without what lies behind relu4_1, None where there is no encoder of 53 places in it."""
    networks = {
        name: _read_part(state, f"{path}: {name}" if name else f"{path}") for name, state in checkpoint.networks.items()
    }
    dropped = [name for name, state in networks.items() if len(state) < len(checkpoint.networks[name])]
    if not dropped:
        return None
    notes.append(
        f"{path}: left out {2 * len(_UNREAD)} arrays of VGG-19 after relu4_1 (places 32 to 51), which nothing reads"
    )
    return formats.Checkpoint(networks, checkpoint.framework, checkpoint.metadata)


def _read_part(state, where):
    """An encoder's arrays up to relu4_1; WeightError where those after it are not all VGG-19's. Others as they are."""
    unread = [key for place in _UNREAD for key in (f"{place}.weight", f"{place}.bias")]
    if _NARROW["encoder"][0] not in state or not any(key in state for key in unread):
        return state
    width = 8 * shape_of(state, _NARROW["encoder"][0], 4, f"{where}: ")[0]
    for key in unread:
        wanted = (width, width, 3, 3) if key.endswith("weight") else (width,)
        if shape_of(state, key, len(wanted), f"{where}: ") != wanted:
            raise WeightError(f"{where}: {key!r} has the shape {tuple(state[key].shape)}, VGG-19's is {wanted}")
    return {key: array for key, array in state.items() if key not in unread}
