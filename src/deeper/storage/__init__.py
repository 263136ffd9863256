"""Files and runs: atomic writes, Parquet, the run folder and its settings, stages, and provenance of results."""
