"""Personas judged by the behaviour that came after them: baselines, errors, comparisons."""
