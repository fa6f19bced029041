"""The procedural data set: drawn faces, as photo-like images (A) and as flat cartoons (B)."""
