"""Find kinds in a text, whatever their number: "thrillers" names the kind "Thriller"."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from deeper.domains import Domain
from deeper.domains.level_words import LEVEL_WORDS
from deeper.measure.text import words
from deeper.persona.describer import phrases
from deeper.persona.evidence.kinds import plural

TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[&+]")
GAP = re.compile(r"(?:[^\S\n]|[-\u2010\u2011/'’]|\.(?!\s)){0,3}")
"""What may stand between the words of a kind."""
OTHER_FORMS = {
    "animation": ("animated",),
    "biography": ("biographical", "biopic"),
    "comedy": ("comedic",),
    "children": ("kids",),
    "romance": ("romantic",),
    "satire": ("satirical",),
    "sci-fi": ("science fiction", "scifi"),
    "tragedy": ("tragic",),
}
"""Other words by which people name well-known kinds."""


class Mention(NamedTuple):
    """A kind in a text: its key, and where it starts and ends."""

    key: str
    start: int
    end: int


@cache
def phrase_words() -> frozenset[str]:
    """The words of the describer's phrases and of levels, in lower case."""
    texts = [text for name, value in vars(phrases).items() if name.isupper() for text in _texts(value)]
    texts += [word for level in LEVEL_WORDS for word in level]
    return frozenset(word for text in texts for word in words(re.sub(r"\{\w+\}", " ", text)))


@cache
def noun_words(domain: Domain) -> frozenset[str]:
    """The words of a domain's item noun, singular and plural."""
    return frozenset(words(domain.item_noun)) | frozenset(words(plural(domain.item_noun)))


class Vocabulary:
    """The kinds that a text may name."""

    def __init__(self, kinds: Iterable[tuple[str, str]], domain: Domain) -> None:
        """Index them.

        Args:
            kinds: The key of each kind, and a form in which it is shown. Kinds that consist of the describer's words or
                of the item noun are left out: in a text, these words mean something else.
            domain: The domain of the items.
        """
        meaningless = phrase_words() | noun_words(domain)
        self._key_of: dict[tuple[str, ...], str] = {}
        self._longest: dict[str, int] = {}
        for key, form in kinds:
            for name in (key, form, *OTHER_FORMS.get(key.casefold(), ())):
                tokens = _tokens(name)
                if tokens and not meaningless.issuperset(tokens):
                    self._add(tokens, key)

    def _add(self, tokens: tuple[str, ...], key: str) -> None:
        for last in _numbers(tokens[-1]):
            found = (*tokens[:-1], last)
            self._key_of.setdefault(found, key)
            self._longest[found[0]] = max(self._longest.get(found[0], 0), len(found))

    def mentions(self, text: str) -> Iterator[Mention]:
        """The kinds in a text, in order; of overlapping ones the longest."""
        tokens = list(TOKEN.finditer(text))
        names = [_plain(token.group()) for token in tokens]
        place = 0
        while place < len(tokens):
            length = self._match(text, tokens, names, place)
            if length:
                key = self._find(names[place : place + length])
                yield Mention(key, tokens[place].start(), tokens[place + length - 1].end())
            place += length or 1

    def _match(self, text: str, tokens: list[re.Match[str]], names: list[str], place: int) -> int:
        """The number of tokens of the longest kind that starts at a token; 0 for none."""
        most = max((self._longest.get(first, 0) for first in _numbers(names[place])), default=0)
        for length in range(min(most, len(tokens) - place), 0, -1):
            ends = zip(tokens[place : place + length - 1], tokens[place + 1 : place + length], strict=True)
            is_one = all(GAP.fullmatch(text, first.end(), second.start()) for first, second in ends)
            if is_one and self._find(names[place : place + length]):
                return length
        return 0

    def _find(self, names: list[str]) -> str:
        found = (self._key_of.get((*names[:-1], last), "") for last in _numbers(names[-1]))
        return next(filter(None, found), "")


def _tokens(name: str) -> tuple[str, ...]:
    return tuple(_plain(token) for token in TOKEN.findall(name))


def _plain(token: str) -> str:
    return "and" if token in "&+" else re.sub(r"['’]s$", "", token.casefold())


def _numbers(word: str) -> tuple[str, ...]:
    """A word, and what may be its singular."""
    forms = [word]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        forms.append(word[:-1])
        if word.endswith("es"):
            forms.append(word[:-2])
        if word.endswith("ies"):
            forms.append(word[:-3] + "y")
    return tuple(forms)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(one)
