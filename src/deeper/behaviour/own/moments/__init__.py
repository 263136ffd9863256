"""Reads the time of a rating: from text, from a number, and from a column that shows which of two dates is meant."""
