"""Synthetic raw files of any format and size, with a truth to check readers by."""
