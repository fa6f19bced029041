"""SAGAN's checkpoints: the public `{step}_G.pth` and `{step}_D.pth`, one bare network each, or both as G and D.

Files of PyTorch before 0.4.1 lack the counters of batches, which batch norm with a momentum does not use. They are
added, with a note.
"""

from dataclasses import replace

import numpy as np
from paddle import nn

from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.models.sagan import SAGANDiscriminator, SAGANGenerator, SelfAttention
from paddle_ugatit.weights.rules import KEEP, Options, State, WeightError
from paddle_ugatit.weights.shapes import as_they_are, count, require_kinds, shape_of

MODELS = {"sagan": "public"}
KINDS = ("SAGAN generator", "SAGAN discriminator")
EAGER = KINDS  # spectral normalisation reads its weights, which must exist
RULES = {SelfAttention: {"gamma": KEEP}}
NAMES = dict(zip("GD", KINDS, strict=True))
HIDDEN: dict = {}
_FIRST, _VARIANCE = "l1.0.module.weight_bar", ".running_var"


def infer_options(state: State, _framework: str, prefix: str) -> Options | None:
    """Return {"kind": "SAGAN generator", "image_size", "z_dim", "conv_dim"}, or without z_dim for a discriminator.

    Returns None for a network of another system. Raises WeightError if widths do not fit together.
    """
    if _FIRST not in state:
        return None
    depth = count(state, r"l(\d{1,2})\.0\.module\.weight_bar$", 1)
    first = shape_of(state, _FIRST, 4, prefix)
    if "l1.1.weight" in state:  # only the generator has batch norms
        kind, conv_dim = KINDS[0], shape_of(state, "last.0.weight", 4, prefix)[0]
        widths = [first[0], *(conv_dim * 2**i for i in reversed(range(depth)))]
    else:
        kind, conv_dim = KINDS[1], first[0]
        widths = [3, *(conv_dim * 2**i for i in range(depth))]
    for i in range(depth):  # before a network of that size is built to check the rest
        key, pair = f"l{i + 1}.0.module.weight_bar", (widths[i], widths[i + 1])
        wanted = (*(pair if kind == KINDS[0] else pair[::-1]), 4, 4)
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
    options = {"kind": kind, "image_size": 4 * 2**depth, "conv_dim": conv_dim}
    return options | ({"z_dim": first[0]} if kind == KINDS[0] else {})


def build(options: Options, _revision: str | None = None) -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    given = {name: value for name, value in options.items() if name != "kind"}
    return (SAGANGenerator if options["kind"] == KINDS[0] else SAGANDiscriminator)(**given)


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError unless the networks are a bare one, or any of G and D."""
    require_kinds(options, NAMES, path)


def unpacked(checkpoint: Checkpoint, path: FilePath, notes: list[str]) -> Checkpoint | None:
    """Return the networks with counters of batches, None if they have them or are of another system."""
    networks: dict[str, State] = {}
    for name, state in checkpoint.networks.items():
        norms = [key.removesuffix(_VARIANCE) for key in state if key.endswith(_VARIANCE)]
        counters = {f"{norm}.num_batches_tracked": np.zeros((), np.int64) for norm in norms}
        if _FIRST not in state or not (absent := set(counters) - state.keys()):
            continue
        networks[name] = counters | state
        where = f"{path}: {name}" if name else f"{path}"
        notes.append(f"{where}: set {len(absent)} num_batches_tracked to 0: PyTorch before 0.4.1 saved none")
    return replace(checkpoint, networks=checkpoint.networks | networks) if networks else None


packed = as_they_are
