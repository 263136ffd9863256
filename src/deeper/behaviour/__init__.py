"""Behaviour flows in: ingest, windows, the published layouts, and users of planted taste."""
