"""Estimates from judgments, with their uncertainty. Pure functions over arrays; no I/O.

numpy and scipy take 0.2 s to import, so callers import this package where they use it.
"""
