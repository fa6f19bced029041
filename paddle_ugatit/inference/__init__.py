"""Inference with trained networks: translation, style transfer, sampling, image sheets, heatmaps."""
