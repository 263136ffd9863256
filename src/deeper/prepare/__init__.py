"""From the public raw files of the ten domains to behaviour, windows and contexts; and files like them, made up."""
