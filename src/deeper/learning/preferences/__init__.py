"""Directions, their rewards, and the preference pairs made of them."""
