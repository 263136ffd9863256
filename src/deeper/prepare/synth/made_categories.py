"""Synthetic categories with the quirks of real ones, raw and clean.

Every seventh item has none. Others have one or two kinds of planted items, and products have a brand. Around them stand
entries that a reader must drop: the root of a path, markup, a sentence, the name of a group of tags.
"""

from deeper.behaviour.planted.plant import KINDS

NONE_EVERY = 7
BRANDS = 500
NO_GENRES = "(no genres listed)"
ROOT, MARKUP, SENTENCE, GROUP = "Everything & More", "</span></span>", "Made for all of you.", "time-to-make"


def kinds_of(item: int) -> list[str]:
    """Return the kinds of an item; none for some items."""
    pair = KINDS[item % len(KINDS)], KINDS[item // len(KINDS) % len(KINDS)]
    return list(dict.fromkeys(pair)) if item % NONE_EVERY else []


def brand_of(item: int) -> str:
    """Return the brand of a product; empty for products without a category."""
    return f"Maker {item % BRANDS} & Sons" if item % NONE_EVERY else ""


def path_of(item: int) -> list[str]:
    """Return the raw path of a product, from the root on; empty for some products."""
    kinds = kinds_of(item)
    return [ROOT.replace("&", "&amp;"), *kinds, MARKUP, SENTENCE] if kinds else []


def clean_categories(family: str, item: int) -> list[str]:
    """Return the categories that a reader must find.

    Args:
        family: A key of `made_titles.RATES`.
        item: Number of the item.
    """
    kinds = kinds_of(item)
    if family == "food_com":
        return [kind.lower() for kind in kinds]
    return [*kinds, brand_of(item)] if family == "amazon" and kinds else kinds
