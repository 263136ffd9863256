"""Statistics on plain numbers and texts: prediction errors, intervals, correlations, text statistics."""
