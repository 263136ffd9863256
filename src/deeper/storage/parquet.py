"""Reading a Parquet file in one thread.

`pyarrow.parquet.read_table` leaves the work to threads, and waits for ever where none can be started for want of
memory.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(path: Path) -> pa.Table:
    """The table of a Parquet file; checksums of its pages are looked at where it has them.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no Parquet.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(use_threads=False)
