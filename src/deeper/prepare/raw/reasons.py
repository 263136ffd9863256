"""Why a line of a raw file is rejected, in the words of rejects.parquet."""

UNREADABLE = "the line cannot be read"
NO_USER = "no user id"
NO_ITEM = "no item id"
RATING_NOT_A_NUMBER = "the rating is not a number"
RATING_OFF_SCALE = "the rating is off the domain's scale"
TIME_UNREADABLE = "the time cannot be read"
TIME_OUT_OF_RANGE = "the time is before 1990 or in the future"

REASONS = (
    UNREADABLE,
    NO_USER,
    NO_ITEM,
    RATING_NOT_A_NUMBER,
    RATING_OFF_SCALE,
    TIME_UNREADABLE,
    TIME_OUT_OF_RANGE,
)
"""In the order of the checks; a line gets the first reason that applies."""
