"""Read Parquet files in one thread.

`pyarrow.parquet.read_table` starts threads. If there is too little memory to start one, it waits forever.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(path: Path) -> pa.Table:
    """Read a Parquet file, and check the checksums of its pages if it has them.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not Parquet.
    """
    # pyarrow opens no path whose name is not in UTF-8; Python does.
    with path.open("rb") as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
        return file.read(use_threads=False)
