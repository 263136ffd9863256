"""Reads text files as programs write them: encodings, separators and headers."""
