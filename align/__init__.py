"""The parity harness: the only room that holds both frameworks."""
