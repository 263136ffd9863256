"""Statistics on plain numbers and texts: prediction errors, bootstrap intervals, correlations, text statistics."""
