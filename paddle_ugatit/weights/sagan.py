"""SAGAN's checkpoints: the public `{step}_G.pth` and `{step}_D.pth`, one bare network each, or both as G and D.

A file of a network in DataParallel has `module.` before every key. One of PyTorch before 0.4.1 lacks the counts of
batches, which no batch norm with a momentum reads. In both a line is said, and a network is written in today's form.
"""

import numpy as np

from paddle_ugatit.formats import Checkpoint
from paddle_ugatit.models.sagan import SAGANDiscriminator, SAGANGenerator
from paddle_ugatit.weights.rules import WeightError
from paddle_ugatit.weights.shapes import count, require_kinds, shape_of

MODELS = {"sagan": "public"}
KINDS = ("SAGAN generator", "SAGAN discriminator")
EAGER = KINDS  # spectral normalisation reads its weights: they must exist
NAMES = dict(zip("GD", KINDS, strict=True))
_FIRST, _PARALLEL, _VARIANCE = "l1.0.module.weight_bar", "module.", ".running_var"


def infer_options(state, _framework, prefix):
    """{"kind": "SAGAN generator", "image_size", "z_dim", "conv_dim"} or "SAGAN discriminator", without z_dim."""
    if _FIRST not in state:
        return None
    depth = count(state, r"l(\d{1,2})\.0\.module\.weight_bar$", 1)
    first = shape_of(state, _FIRST, 4, prefix)
    if "l1.1.weight" in state:  # of the two the generator alone has batch norms
        kind, conv_dim = KINDS[0], shape_of(state, "last.0.weight", 4, prefix)[0]
        widths = [first[0], *(conv_dim * 2**i for i in reversed(range(depth)))]
    else:
        kind, conv_dim = KINDS[1], first[0]
        widths = [3, *(conv_dim * 2**i for i in range(depth))]
    for i in range(depth):  # first, since a network of that size is built for the rest
        key, pair = f"l{i + 1}.0.module.weight_bar", (widths[i], widths[i + 1])
        wanted = (*(pair if kind == KINDS[0] else pair[::-1]), 4, 4)
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
    options = {"kind": kind, "image_size": 4 * 2**depth, "conv_dim": conv_dim}
    return options | ({"z_dim": first[0]} if kind == KINDS[0] else {})


def build(options, _revision=None):
    """A network from `infer_options`' result."""
    given = {name: value for name, value in options.items() if name != "kind"}
    return (SAGANGenerator if options["kind"] == KINDS[0] else SAGANDiscriminator)(**given)


def require_names(options, path):
    """One bare network, or any of G and D."""
    require_kinds(options, NAMES, path)


def unpacked(checkpoint, path, notes):
    """The networks without the prefix of DataParallel, and with counts of batches."""
    networks = {name: _plain(state) for name, state in checkpoint.networks.items()}
    if not all(_FIRST in state for state in networks.values()):
        return None
    for name, state in networks.items():
        where = f"{path}: {name}" if name else path
        if _FIRST not in checkpoint.networks[name]:
            notes.append(f"{where}: left out the prefix {_PARALLEL!r} of DataParallel before {len(state)} keys")
        norms = [key.removesuffix(_VARIANCE) for key in state if key.endswith(_VARIANCE)]
        if absent := [norm for norm in norms if f"{norm}.num_batches_tracked" not in state]:
            state |= {f"{norm}.num_batches_tracked": np.zeros((), np.int64) for norm in absent}
            notes.append(f"{where}: set {len(absent)} counts of batches to 0, which PyTorch before 0.4.1 did not keep")
    return Checkpoint(networks, checkpoint.framework, checkpoint.metadata)


def _plain(state):
    if all(key.startswith(_PARALLEL) for key in state):
        return {key.removeprefix(_PARALLEL): array for key, array in state.items()}
    return dict(state)
