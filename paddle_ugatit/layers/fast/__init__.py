"""Faster ways of computing the layers, each equal to the plain formula up to the order of additions.

dispatch.py decides which way is taken, and can switch any of them off. On a GPU, the plain formulas are always used.
"""
