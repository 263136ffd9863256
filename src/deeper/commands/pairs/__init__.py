"""`deeper pairs`."""
