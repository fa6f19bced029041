"""Layers that all systems share, each the twin of a PyTorch layer: same formula, same state, same initial values."""
