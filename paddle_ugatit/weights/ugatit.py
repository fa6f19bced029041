"""U-GAT-IT's checkpoints: six networks under the public names, or one of them bare.

Every module of a system has
    MODELS                                    model name -> revision; the first is what keys alone say
    KINDS                                     the `kind` of each of its networks, in words
    infer_options(state, framework, prefix)   what a network was built with, None for one of another system
    build(options, revision)                  that network, with fresh weights
    EAGER                                     kinds that cannot be built without allocating their weights
    require_names(options, path)              WeightError for names and kinds that do not go together
and, where public files do not hold plain networks, `unpacked` and `packed`, see checkpoints.py.
"""

import math

from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator
from paddle_ugatit.weights.rules import WeightError
from paddle_ugatit.weights.shapes import count, require_kinds, shape_of

MODELS = {"ugatit": "current", "ugatit-initial": "initial"}  # shapes do not tell the two apart
KINDS = ("generator", "discriminator")
EAGER = ("discriminator",)  # spectral normalisation reads its weights: they must exist
NAMES = {
    "genA2B": "generator",
    "genB2A": "generator",
    "disGA": "discriminator",
    "disGB": "discriminator",
    "disLA": "discriminator",
    "disLB": "discriminator",
}


def infer_options(state, framework, prefix):
    """Options of a generator or discriminator, from the shapes of its arrays in the layout of `framework`.

    {"kind": "generator", "input_nc", "output_nc", "ngf", "n_blocks", "img_size" (None if light), "light"} or
    {"kind": "discriminator", "input_nc", "ndf", "n_layers"}.
    """
    if "DownBlock.1.weight" in state:
        return _generator_options(state, framework, prefix)
    if "model.1.weight_orig" in state:
        return _discriminator_options(state, prefix)
    return None


def _generator_options(state, framework, prefix):
    ngf, input_nc, _, _ = shape_of(state, "DownBlock.1.weight", 4, prefix)
    output_nc = shape_of(state, "UpBlock2.11.weight", 4, prefix)[0]
    n_blocks = count(state, r"UpBlock1_(\d{1,6})\.", 1)
    shape = shape_of(state, "FC.0.weight", 2, prefix)
    features = shape[1] if framework == "torch" else shape[0]
    dim = 4 * ngf
    light, side = features == dim, math.isqrt(features // dim)
    if not light and side * side * dim != features:
        raise WeightError(f"{prefix}'FC.0.weight' takes {features} inputs: not {dim}, nor {dim} times a square")
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


def _discriminator_options(state, prefix):
    ndf, input_nc, _, _ = shape_of(state, "model.1.weight_orig", 4, prefix)
    convs = count(state, r"model\.(\d{1,6})\.weight_orig$", 1, 3)
    for i in range(convs):  # first, since a network of that size is built for the rest
        key = f"model.{1 + 3 * i}.weight_orig"
        wanted = (ndf * 2**i, ndf * 2 ** (i - 1) if i else input_nc, 4, 4)
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
    if convs < 2:
        raise WeightError(f"{prefix}lacks 'model.4.weight_orig'")
    return {"kind": "discriminator", "input_nc": input_nc, "ndf": ndf, "n_layers": convs + 1}


def build(options, revision="current"):
    """A network from `infer_options`' result."""
    given = {name: value for name, value in options.items() if name != "kind" and value is not None}
    if options["kind"] == "generator":
        return ResnetGenerator(**given, revision=revision)
    return Discriminator(**given)


def require_names(options, path):
    """The names that a checkpoint may have, and the kind of network under each."""
    require_kinds(options, NAMES, path)
    if "" not in options and any(NAMES[name] == "discriminator" for name in options):
        missing = [name for name in NAMES if name not in options]
        if missing:
            raise WeightError(f"{path}: lacks {', '.join(missing)}: discriminators come with all six networks")
