"""Which class runs a case in each framework: the usual side, or the one for models from a user's file.

Each side is imported only when it is asked for, since the other framework need not be installed.
"""

from collections.abc import Callable
from functools import partial

from align.cases.case import Case
from align.cases.pair import Pair


def torch_side_of(case: Case) -> Callable:
    """Return what makes PyTorch's side of the case from a dtype: TorchSide or TorchPairSide."""
    if isinstance(case, Pair):
        from align.compare.pair_torch import TorchPairSide

        return partial(TorchPairSide, case)
    from align.compare.torch_side import TorchSide

    return TorchSide


def paddle_side_of(case: Case) -> Callable:
    """Return what makes Paddle's side of the case from a dtype: PaddleSide or PaddlePairSide."""
    if isinstance(case, Pair):
        from align.compare.pair_paddle import PaddlePairSide

        return partial(PaddlePairSide, case)
    from align.compare.paddle_side import PaddleSide

    return PaddleSide
