"""Raw files of the ten domains: a reader for each format, and what all readers share."""
