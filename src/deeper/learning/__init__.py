"""Readers and writers that learn: what they are trained on, how they are trained, and how far they can be trusted."""
