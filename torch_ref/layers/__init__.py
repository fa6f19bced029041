"""Layers of the reference that PyTorch does not bring: adaptive layer-instance normalisation."""
