"""Files and runs: atomic writes, Parquet, the run folder, stages, and where a result comes from."""
