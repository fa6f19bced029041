"""AdaIN's checkpoints: encoder and decoder under these names, or one of them bare, as in the public files.

`vgg_normalised.pth` has all 53 modules of VGG-19's Sequential, up to relu5_4. Those after relu4_1 are not used and are
dropped on import, with a note. `decoder.pth` has exactly the arrays of the decoder.
"""

from dataclasses import replace

from paddle import nn

from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.models.adain import Decoder, Encoder
from paddle_ugatit.weights.rules import Options, State, WeightError
from paddle_ugatit.weights.shapes import as_they_are, shape_of

MODELS = {"adain": "2017"}
NAMES = {"encoder": "encoder", "decoder": "decoder"}
KINDS = tuple(NAMES)
HIDDEN: dict = {}
EAGER = ()
RULES: dict = {}  # it has no layers of its own with arrays
# The first convolution of each that has `ch` outputs or inputs; the other network has no array of that name.
_NARROW = {"encoder": ("2.weight", 0), "decoder": ("25.weight", 1)}
_UNREAD = (32, 35, 38, 42, 45, 48, 51)  # indices of the convolutions after relu4_1: conv4_2 to conv5_4


def infer_options(state: State, _framework: str, prefix: str) -> Options | None:
    """Return {"kind": "encoder" or "decoder", "ch"}, None for a network of another system."""
    for kind, (key, axis) in _NARROW.items():
        if key in state:
            return {"kind": kind, "ch": shape_of(state, key, 4, prefix)[axis]}
    return None


def build(options: Options, _revision: str | None = None) -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    return {"encoder": Encoder, "decoder": Decoder}[options["kind"]](options["ch"])


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError if a named network is of another kind than its name says."""
    for name, chosen in options.items():
        if name not in ("", chosen["kind"]):
            raise WeightError(
                f"{path}: network {name!r} holds {'an' if chosen['kind'][0] == 'e' else 'a'} {chosen['kind']}"
            )


def unpacked(checkpoint: Checkpoint, path: FilePath, notes: list[str]) -> Checkpoint | None:
    """Return the checkpoint without the arrays after relu4_1, None if it holds no full VGG-19."""
    networks = {
        name: _read_part(state, f"{path}: {name}" if name else f"{path}") for name, state in checkpoint.networks.items()
    }
    dropped = [name for name, state in networks.items() if len(state) < len(checkpoint.networks[name])]
    if not dropped:
        return None
    notes.append(
        f"{path}: dropped {2 * len(_UNREAD)} arrays of VGG-19 after relu4_1 (modules 32 to 51), which are not used"
    )
    return replace(checkpoint, networks=networks)


def _read_part(state: State, where: str) -> State:
    """Return an encoder's arrays up to relu4_1, and any other state dict unchanged.

    Raises WeightError if the arrays after relu4_1 are not all those of VGG-19.
    """
    unread = [key for place in _UNREAD for key in (f"{place}.weight", f"{place}.bias")]
    if _NARROW["encoder"][0] not in state or not any(key in state for key in unread):
        return state
    width = 8 * shape_of(state, _NARROW["encoder"][0], 4, f"{where}: ")[0]
    for key in unread:
        wanted = (width, width, 3, 3) if key.endswith("weight") else (width,)
        if shape_of(state, key, len(wanted), f"{where}: ") != wanted:
            raise WeightError(f"{where}: {key!r} has the shape {tuple(state[key].shape)}, VGG-19's is {wanted}")
    return {key: array for key, array in state.items() if key not in unread}


packed = as_they_are
