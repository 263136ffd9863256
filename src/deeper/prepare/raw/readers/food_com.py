"""Food.com: interactions and recipes as CSV; a quoted text may span many lines.

    RAW_interactions.csv    user_id,recipe_id,date,rating,review    rating 0: a review without a rating
    RAW_recipes.csv         name,id,…,tags,…                        tags: ['easy', 'mexican']

Times are days, so ties are frequent. Copies that went through a spreadsheet write dates as "2017/8/18"; these are read
too. Source: Majumder et al., Generating personalized recipes from historical user preferences, EMNLP 2019.
"""

from deeper.prepare.raw.reader import TIMESTAMP_TEXT, Fields, Reader

READERS = (
    Reader(
        name="food_com",
        record_format="csv",
        ratings=Fields({"user": ("user_id",), "item": ("recipe_id",), "rating": ("rating",), "time": ("date",)}),
        meta=Fields({"item": ("id",), "title": ("name",)}, optional={"tags": ("tags",)}),
        time_sql=TIMESTAMP_TEXT,
        rating_files=("RAW_interactions.csv",),
        meta_files=("RAW_recipes.csv",),
        identifying_keys=("user_id", "recipe_id", "date", "rating"),
        meta_record_format="csv",
    ),
)
