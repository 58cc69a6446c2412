"""Measurements: ratios of things timed in one run, so that a figure means the same on every machine."""
