"""Layers that PyTorch does not have, or not in the form of the public code."""
