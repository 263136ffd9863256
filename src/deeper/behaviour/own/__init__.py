"""Your own ratings: one file of any shape, or a folder with `behaviour.csv`."""
