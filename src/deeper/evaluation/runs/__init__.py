"""Finished runs: load one, compare several, and hold one of planted users against their truth."""
