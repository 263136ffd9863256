"""Personas: written from behaviour, read to predict, refined from the errors. Functions over an engine."""
