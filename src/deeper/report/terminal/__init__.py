"""What commands print in a terminal: first look, preview, summary, tables."""
