"""The procedural data set: drawn faces, as photo-like pictures (A) and as flat cartoons (B)."""
