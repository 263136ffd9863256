"""Synthetic raw files of any format and size, with the ground truth that a reader must find in them."""
