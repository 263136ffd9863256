"""MovieLens: latest-small, 20M, 25M and 32M share one format. Kaggle's copy has other file names and written times.

    ratings.csv     userId,movieId,rating,timestamp     Unix seconds; sorted by user and movie
    movies.csv      movieId,title,genres                "Comedy|Drama", or "(no genres listed)"
    rating.csv      the same with quoted names, timestamp "2005-04-02 23:53:47" in UTC
    movie.csv

Lines end with CR LF in some editions. Source: Harper and Konstan, The MovieLens datasets, TiiS 2015.
"""

from deeper.prepare.raw.reader import TIMESTAMP_TEXT, UNIX_SECONDS, Fields, Reader

READERS = (
    Reader(
        name="movielens",
        record_format="csv",
        ratings=Fields({"user": ("userId",), "item": ("movieId",), "rating": ("rating",), "time": ("timestamp",)}),
        meta=Fields({"item": ("movieId",), "title": ("title",)}, optional={"genres": ("genres",)}),
        time_sql=f"coalesce({UNIX_SECONDS}, {TIMESTAMP_TEXT})",
        rating_files=("ratings.csv", "rating.csv"),
        meta_files=("movies.csv", "movie.csv"),
        identifying_keys=("userId", "movieId", "rating", "timestamp"),
        meta_record_format="csv",
        category_separator="|",
    ),
)
