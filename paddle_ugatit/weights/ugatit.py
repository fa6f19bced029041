"""U-GAT-IT's checkpoints: six networks under the public names, or one of them bare."""

import math

from paddle import nn

from paddle_ugatit.formats import FilePath
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator
from paddle_ugatit.weights.rules import Options, State, WeightError
from paddle_ugatit.weights.shapes import already_plain, as_they_are, count, require_kinds, shape_of

# The shapes of the first two are the same; the last is told by its keys.
MODELS = {"ugatit": "current", "ugatit-initial": "initial", "ugatit-tensorflow": "tensorflow"}
EAGER = ("discriminator",)  # spectral normalisation reads its weights, which must exist
RULES: dict = {}  # it has no layers of its own with arrays
NAMES = {
    "genA2B": "generator",
    "genB2A": "generator",
    "disGA": "discriminator",
    "disGB": "discriminator",
    "disLA": "discriminator",
    "disLB": "discriminator",
}
KINDS = tuple(NAMES.values())
HIDDEN: dict = {}


def infer_options(state: State, framework: str, prefix: str) -> Options | None:
    """Return the options of a generator or discriminator, inferred from its arrays in the layout of `framework`.

    They are {"kind": "generator", "input_nc", "output_nc", "ngf", "n_blocks", "img_size" (None if light), "light"} or
    {"kind": "discriminator", "input_nc", "ndf", "n_layers"}; None for a network of another system. For networks of the
    TensorFlow code they also have "revision": "tensorflow" and, with the CAM heads of its older files, "older_cam":
    True. Raises WeightError if an array is missing or malformed.
    """
    if "DownBlock.1.weight" in state:
        return _generator_options(state, framework, prefix) | _revision(state, "cam_fc.weight", "logit_fc.weight")
    if "model.1.weight_orig" in state:
        heads = "cam_fc.weight_orig", "raw_cam_fc.weight_orig"
        return _discriminator_options(state, prefix) | _revision(state, *heads)
    return None


def _revision(state: State, head: str, older: str) -> Options:
    """Return the options that tell the TensorFlow code's networks, by the keys of their CAM heads."""
    if older in state:
        return {"revision": "tensorflow", "older_cam": True}
    return {"revision": "tensorflow"} if head in state else {}


def _generator_options(state: State, framework: str, prefix: str) -> Options:
    ngf, input_nc, _, _ = shape_of(state, "DownBlock.1.weight", 4, prefix)
    output_nc = shape_of(state, "UpBlock2.11.weight", 4, prefix)[0]
    n_blocks = count(state, r"UpBlock1_(\d{1,6})\.", 1)
    shape = shape_of(state, "FC.0.weight", 2, prefix)
    if "FC.1.weight" in state:
        raise WeightError(
            f"{prefix}is of the public code's first week, to 2019-08-07, whose FC has no ReLU: that is not supported"
        )
    features = shape[1] if framework == "torch" else shape[0]
    dim = 4 * ngf
    light, side = features == dim, math.isqrt(features // dim)
    if not light and side * side * dim != features:
        raise WeightError(f"{prefix}'FC.0.weight' has {features} inputs: neither {dim} nor {dim} times a square")
    img_size = None if light else 4 * side
    return {
        "kind": "generator",
        "input_nc": input_nc,
        "output_nc": output_nc,
        "ngf": ngf,
        "n_blocks": n_blocks,
        "img_size": img_size,
        "light": light,
    }


def _discriminator_options(state: State, prefix: str) -> Options:
    ndf, input_nc, _, _ = shape_of(state, "model.1.weight_orig", 4, prefix)
    convs = count(state, r"model\.(\d{1,6})\.weight_orig$", 1, 3)
    for i in range(convs):  # before a network of that size is built to check the rest
        key = f"model.{1 + 3 * i}.weight_orig"
        wanted = (ndf * 2**i, ndf * 2 ** (i - 1) if i else input_nc, 4, 4)
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
    if convs < 2:
        raise WeightError(f"{prefix}lacks 'model.4.weight_orig'")
    return {"kind": "discriminator", "input_nc": input_nc, "ndf": ndf, "n_layers": convs + 1}


def build(options: Options, revision: str = "current") -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights.

    A revision that the options name takes precedence.
    """
    given: Options = {"revision": revision}
    given |= {name: value for name, value in options.items() if name != "kind" and value is not None}
    return ResnetGenerator(**given) if options["kind"] == "generator" else Discriminator(**given)


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError if names and kinds do not fit; any of the six networks may be missing."""
    require_kinds(options, NAMES, path)


unpacked, packed = already_plain, as_they_are
