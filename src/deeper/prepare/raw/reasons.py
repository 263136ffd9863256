"""Why a line of a raw file is rejected, in the words of rejects.parquet."""

UNREADABLE = "the line cannot be read"
NO_USER = "no user id"
NO_ITEM = "no item id"
RATING = "the rating is no number"
OFF_SCALE = "the rating is off the domain's scale"
TIME = "the time cannot be read"
TIME_RANGE = "the time is before 1990 or in the future"

REASONS = (UNREADABLE, NO_USER, NO_ITEM, RATING, OFF_SCALE, TIME, TIME_RANGE)
"""In the order in which they are looked for; a line has the first that fits."""
