"""The sides of the speed comparisons that tools/bench.py runs in turns."""
