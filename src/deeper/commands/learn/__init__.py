"""`deeper learn`."""
