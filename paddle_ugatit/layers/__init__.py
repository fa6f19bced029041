"""Layers that all systems share, each the twin of a PyTorch layer: same formula, same state, same initial values.

`with layers.plain():` computes them by their plain formulas, without the faster ways of layers/fast/.
"""

from paddle_ugatit.layers.fast.dispatch import WAYS, plain

__all__ = ["WAYS", "plain"]
