"""The table of PyTorch's functions and Paddle's, measured: tables -> measure -> verdict -> document."""
