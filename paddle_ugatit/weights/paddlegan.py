"""PaddleGAN's checkpoints of U-GAT-IT: the networks of the public PyTorch code, with frozen parameters in the norms.

The norms of a generator's encoder have a `scale` of ones and a `bias` of zeros there, which are never trained.
"""

import re
from dataclasses import replace

import numpy as np

from paddle_ugatit.formats import Checkpoint, FilePath, widened
from paddle_ugatit.weights.rules import State, WeightError

_SCALE = re.compile(r"DownBlock\.(?:2|6|10|\d{1,6}\.conv_block\.[26])\.scale")


def without_frozen(checkpoint: Checkpoint, path: FilePath) -> Checkpoint:
    """Return the checkpoint without the frozen parameters of norms, and a note if there were any.

    Raises WeightError if they are not exactly ones and zeros, and so would change the result.
    """
    networks = {
        name: _plain(state, f"{path}: {name}" if name else f"{path}") for name, state in checkpoint.networks.items()
    }
    dropped = sum(len(state) - len(networks[name]) for name, state in checkpoint.networks.items())
    if dropped:
        checkpoint.account.notes.append(
            f"{path}: is of PaddleGAN: dropped {dropped} frozen parameters of norms, which are exactly 1 and 0"
        )
    return replace(checkpoint, networks=networks)


def _plain(state: State, where: str) -> State:
    frozen: dict[str, int] = {}
    for key in state:
        if _SCALE.fullmatch(key):
            frozen |= {key: 1, f"{key.removesuffix('scale')}bias": 0}
    for key, value in frozen.items():
        if key in state and not np.all(widened(state[key]) == value):
            raise WeightError(
                f"{where}: {key!r} is not {value} everywhere: norms with parameters are not supported here"
            )
    return {key: array for key, array in state.items() if key not in frozen}
