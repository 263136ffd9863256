"""`deeper reward`."""
