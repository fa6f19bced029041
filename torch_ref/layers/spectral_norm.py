"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1): the framework's own hook.

W / sigma(W) with sigma = u^T W v, W reshaped to (out, -1); one power iteration per forward in training mode, none in
evaluation; state `weight_orig`, `weight_u`, `weight_v`. Twin: paddle_ugatit/layers/spectral_norm.py.
"""

from torch.nn.utils import spectral_norm

__all__ = ["spectral_norm"]
