"""Food.com: interactions and recipes as CSV with quoted text of many lines.

    RAW_interactions.csv    user_id,recipe_id,date,rating,review    rating 0: a review without a rating
    RAW_recipes.csv         name,id,…

Days have no time: ties are many. Dates of copies that went through a spreadsheet ("2017/8/18") are taken too.
Majumder et al., Generating personalized recipes from historical user preferences, EMNLP 2019.
"""

from deeper.prepare.raw.reader import WRITTEN, Fields, Reader

READER = Reader(
    name="food_com",
    kind="csv",
    ratings=Fields({"user": ("user_id",), "item": ("recipe_id",), "rating": ("rating",), "time": ("date",)}),
    meta=Fields({"item": ("id",), "title": ("name",)}),
    time=WRITTEN,
    rating_files=("RAW_interactions.csv",),
    meta_files=("RAW_recipes.csv",),
    marks=frozenset({"user_id", "recipe_id", "date", "rating"}),
    meta_kind="csv",
)
