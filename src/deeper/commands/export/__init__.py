"""`deeper export`."""
