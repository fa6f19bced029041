"""What differs by machine, device and version of Paddle, and what every room needs of the process: errors, progress."""
