"""The kinds of an item: its categories where there are any, else the words and the era of its title."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from deeper.domains import Domain
from deeper.domains.level_words import LEVEL_WORDS
from deeper.persona.evidence.recipe import EVIDENCE

_NO_KIND = """
about after again all also and any are away back been before being both but can com could did does dont down each
edition ever every for from get gets gonna got had has have her here him his how inc into its just les like made make
makes more most much never next not now off once one only onto other our out over own part pas per set she some still
such than that the their them then there these they this those through too una under une until upon und use version
very vol volume was way were what when where which while who why will with without would yes yet you your don isn let
los las del der die das des dvd vhs blu ray pal ntsc import region disc discs pack size piece pieces count inch inches
amazon unknown brand new format anglais complete recipe recipes movie movies film films book books show shows item
items product products zero two three four five six seven eight nine ten half hundred first second third star stars
point points iii vii viii xii
"""

_PRAISE_OR_BLAME = """
best better greatest worst worse favorite favourite favorites ultimate amazing awesome delicious yummy wonderful
fabulous fantastic beautiful lovely simple easy quick famous finest tasty pretty love fine nice
"""

LEVELS = frozenset(word for words in LEVEL_WORDS for word in words)
STOP_WORDS = frozenset((_NO_KIND + _PRAISE_OR_BLAME).split()) | LEVELS
"""Words that name no kind of item: common words, words of ratings, and words that would read as the user's verdict."""

WORD = re.compile(r"\b[^\W\d_]{3,15}\b")
CATEGORY = re.compile(r"[^\W\d_]+(?:(?: ?[&/+] ?|['’.\-] ?| )[^\W\d_]+)*")
"""A category that can stand in a persona: words without digits and without what separates kinds in a list. No separator
is empty, or a hostile category would take time that doubles with each letter."""
YEAR = re.compile(r"\((1[89]\d\d|20\d\d)\)\s*$")


def eras(domain: Domain) -> tuple[tuple[int, str], ...]:
    """The first year of each era, ascending, and the name of its items."""
    nouns = plural(domain.item_noun)
    names = f"old {nouns}", f"{nouns} of the eighties", f"{nouns} of the nineties", f"newer {nouns}"
    return tuple(zip((0, *EVIDENCE.era_starts), names, strict=True))


def kinds_of(items: Sequence[Mapping[str, Any]], domain: Domain) -> list[Mapping[str, str]]:
    """The kinds of each item: categories if any item has some, else words and eras of the titles.

    Args:
        items: Rows of `behaviour.schema.ITEM`; only title and categories are read.
        domain: Their domain.

    Returns:
        For each item its kinds: a key that equal kinds share, and the form to show.
    """
    if any(item.get("categories") for item in items):
        return [category_kinds(tuple(item.get("categories") or ())) for item in items]
    return [title_kinds(item["title"], domain) for item in items]


@lru_cache(maxsize=1 << 17)
def category_kinds(categories: tuple[str, ...]) -> Mapping[str, str]:
    """The categories that can stand in a persona, by their key; see `kinds_of`."""
    return {name.casefold(): name for name in categories if _can_be_told(name)}


def _can_be_told(category: str) -> bool:
    """Whether it is short, holds only words, and none of them is a level's: that would read as the user's verdict."""
    words = set(re.findall(r"[\w-]+", category.casefold()))
    is_plain = len(category) <= EVIDENCE.kind_characters and CATEGORY.fullmatch(category)
    return bool(is_plain) and not words & LEVELS


@lru_cache(maxsize=1 << 17)
def title_kinds(title: str, domain: Domain) -> Mapping[str, str]:
    """The kinds that a title belongs to.

    Args:
        title: An item's title; a year in brackets at its end gives an era.
        domain: The item's domain, for its item noun.

    Returns:
        The kinds: a key that the singular and the plural of a word share, and the form in this title.
    """
    kinds: dict[str, str] = {}
    for match in WORD.finditer(re.sub(r"['’]s\b", "", title.lower())):
        word = match.group()
        if word not in STOP_WORDS and word.isascii():
            kinds[re.sub(r"(?<=[^sui])s$", "", word)] = word
    if found := YEAR.search(title):
        era = [name for first, name in eras(domain) if first <= int(found[1])][-1]
        kinds[era] = era
    return kinds


def plural(noun: str) -> str:
    """The plural of an item noun; "movie or TV show" becomes "movies or TV shows"."""
    return " or ".join(_plural(part) for part in noun.split(" or "))


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")
