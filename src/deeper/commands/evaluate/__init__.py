"""`deeper evaluate` and `deeper demo`."""
