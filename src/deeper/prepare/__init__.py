"""Turn the public raw files of the ten domains into behaviour, windows and contexts; make synthetic raw files."""
