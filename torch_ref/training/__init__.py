"""Training iterations, as the papers say them."""
