"""Trained networks at work: translation, stylisation, samples, sheets, heatmaps."""
