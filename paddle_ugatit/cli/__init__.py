"""The command lines: each command's `main`, and what they share."""
