"""`deeper train`."""
