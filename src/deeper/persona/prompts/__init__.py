"""Prompts: the templates, and how they show items."""
