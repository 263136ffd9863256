"""Personas: write them from behaviour, predict ratings from them, refine them from the errors."""
