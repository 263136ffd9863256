"""Leaks: titles and ratings that a persona repeats instead of describing a taste."""

import re
from collections.abc import Iterable

from deeper.persona.recipe import RECIPE

NUMBER = "(?:zero|half|one|two|three|four|five|six|seven|eight|nine|ten|hundred)"
GAP = r"[\s\-\u2010\u2011]"
# "at one point" and "one out of many" are not ratings.
RATING = re.compile(
    rf"\d+(?:[.,/]\d+)*|\b{NUMBER}(?:{GAP}and{GAP}a{GAP}half)?{GAP}(?:stars?|points)\b"
    rf"|\b(?:{NUMBER}{GAP})?out{GAP}of{GAP}{NUMBER}\b",
    re.IGNORECASE,
)
ARTICLE_AT_END = re.compile(r"^(.*), (The|A|An|Les?|La|El|Der|Die|Das)$", re.IGNORECASE)
BRACKETED_END = re.compile(r"\s*\([^()]*\)\s*$")


def find_leaks(text: str, titles: Iterable[str]) -> list[str]:
    """Find titles and ratings in a persona.

    Args:
        text: The persona.
        titles: Titles that the policy has seen. A title counts if it has at least two words or eight letters. Case,
            punctuation, a bracketed end ("(1995)") and an article at the end ("Matrix, The") are ignored.

    Returns:
        The titles as the data spells them and the ratings as the text spells them, sorted, each once.
    """
    haystack = f" {_words(text)} "
    leaks = {match.group() for match in RATING.finditer(text)}
    for title in titles:
        for variant in _variants(title):
            words = _words(variant)
            if (" " in words or len(words) >= RECIPE.leak_letters) and f" {words} " in haystack:
                leaks.add(title)
    return sorted(leaks)


def _variants(title: str) -> set[str]:
    """A title with and without its bracketed end, and with its article in front or dropped."""
    bare = title
    while (shorter := BRACKETED_END.sub("", bare)) != bare and shorter:
        bare = shorter
    return {title, bare, ARTICLE_AT_END.sub(r"\2 \1", bare), ARTICLE_AT_END.sub(r"\1", bare)}


def _words(text: str) -> str:
    """The words in lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))
