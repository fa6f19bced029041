"""What differs by machine, device and version of Paddle, and what every room shares: errors and progress."""
