"""MovieLens: latest-small, 20M, 25M and 32M share a format; Kaggle's copy has other names and written times.

    ratings.csv     userId,movieId,rating,timestamp     seconds since 1970; ordered by user and movie
    movies.csv      movieId,title,genres
    rating.csv      the same, names quoted, timestamp "2005-04-02 23:53:47" in UTC
    movie.csv

Lines end with CR LF in some editions. Harper and Konstan, The MovieLens datasets, TiiS 2015.
"""

from deeper.prepare.raw.reader import SECONDS, WRITTEN, Fields, Reader

READER = Reader(
    name="movielens",
    kind="csv",
    ratings=Fields({"user": ("userId",), "item": ("movieId",), "rating": ("rating",), "time": ("timestamp",)}),
    meta=Fields({"item": ("movieId",), "title": ("title",)}),
    time=f"coalesce({SECONDS}, {WRITTEN})",
    rating_files=("ratings.csv", "rating.csv"),
    meta_files=("movies.csv", "movie.csv"),
    marks=frozenset({"userId", "movieId", "rating", "timestamp"}),
    meta_kind="csv",
)
