"""`deeper sample`."""
