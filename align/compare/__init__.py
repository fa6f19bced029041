"""Both sides of a comparison: references, recordings, views, verdicts."""
