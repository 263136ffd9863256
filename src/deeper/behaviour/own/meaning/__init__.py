"""Find out what a ratings file means: its columns, its scale, and which of its items are not rated."""
