"""Synthetic users whose taste is known."""
