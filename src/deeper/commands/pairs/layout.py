"""Names of the files in a folder of preference pairs."""

TRAIN, VALIDATION = "train", "validation"
"""The two sets of pairs; each is a Parquet file and a file of JSON lines."""
REPORT = "pairs.json"


def table_of(name: str) -> str:
    """The Parquet file of a set of pairs."""
    return f"{name}.parquet"


def lines_of(name: str) -> str:
    """The JSON lines of a set of pairs, in TRL's format."""
    return f"{name}.jsonl"
