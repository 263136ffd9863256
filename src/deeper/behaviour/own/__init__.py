"""Reads the user's ratings: one file with columns of any name, or a folder with `behaviour.csv`."""
