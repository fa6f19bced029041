"""Training iterations, written plainly as in the papers."""
