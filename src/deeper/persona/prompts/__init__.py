"""Prompts: templates, and items as lines."""
