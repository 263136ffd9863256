"""Write windows of the bundled MovieLens users who have rated enough for many rounds.

    python benchmarks/long_users.py long --windows 22

The package's data is cut after seven windows; the file in it holds every rating of these users. FOLDER gets the windows
of the eval users who have so many, and those of all train users, whose ratings are known to the predictor's item
knowledge. `deeper evaluate --data FOLDER` reads it. The split is that of the package.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deeper.behaviour.bundled import MOVIELENS_SMALL, bundled_behaviour
from deeper.behaviour.prepared import WINDOWS_FILE
from deeper.behaviour.windows import split_users, strings, to_windows

WINDOWS = 22
"""Windows for 20 rounds: the first persona sees one, and the last one predicts one."""


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="windows of each eval user")
    given = parser.parse_args()
    windows = long_windows(given.windows)
    given.folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(windows, given.folder / WINDOWS_FILE)
    users = pc.count_distinct(windows.filter(pc.field("split") == "eval")["user"]).as_py()
    print(f"Wrote {users} eval users with {given.windows} windows each to {given.folder}.")


def long_windows(count: int) -> pa.Table:
    """Return a `WINDOW` table of at most so many windows a user, without eval users who have fewer."""
    behaviour = bundled_behaviour()
    split = split_users(strings(behaviour, "user"), MOVIELENS_SMALL)
    windows = to_windows(behaviour, count=count, split=split)
    has_last = pc.field("k") == count - 1
    long = windows.filter(has_last)["user"]
    return windows.filter((pc.field("split") == "train") | pc.field("user").isin(long.combine_chunks()))


if __name__ == "__main__":
    main()
