"""Files and runs: atomic writes, Parquet, run folders and their settings, stages, and where results come from.

    stage.py         a stage is a function from a table to a table; an executor runs it shard by shard
    code_hash.py     a hash of the code behind a stage, so that no shard of older code is used
    layout.py        the names of the files that commands leave for each other
    recipes.py       the numbers that shape a result and are not settings, as files keep them

Nothing here knows about personas or models.
"""
