"""Descriptions of personas as texts: length, redundancy, retention, distinctness."""

import re
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

_FUNCTION_WORDS = frozenset(
    _WORD.findall("""
    a about above after again all also although always am among an and another any are as at be because been
    before being below between both but by can could did do does doing during each either else even ever every
    few for from further had has have having he her hers herself him himself his how however i if in into is
    it its itself just less like many may me might more most much must my myself neither no nor not of off
    often on once only onto or other others our ours out over own per quite rather same several shall she
    should since so some such than that the their theirs them themselves then there these they this those
    though through to too toward towards under until up upon user users very was we were what when where
    whether which while who whom whose why will with within without would yet you your yours
    """)
)
"""English words that say nothing about a taste. "user" is among them: every persona has it."""


def words(text: str) -> list[str]:
    """Words of a text in order, lower case: runs of letters and digits, with inner apostrophes, hyphens."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> frozenset[str]:
    """Distinct words of a text that are not function words."""
    return frozenset(words(text)) - _FUNCTION_WORDS


def redundancy(text: str, n: int = 3) -> float:
    """Share of word n-grams that repeat an earlier one: 1 − distinct n-grams / n-grams; 0 to 1.

    A text of fewer than n words repeats nothing. Source: seq-rep-n of Welleck et al. (2020), Neural text
    generation with unlikelihood training.
    """
    sequence = words(text)
    grams = list(zip(*(sequence[i:] for i in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def retention(parent: str, child: str) -> float:
    """Share of the parent's content words that the child keeps, 0 to 1; NaN where the parent has none."""
    kept = content_words(parent)
    return len(kept & content_words(child)) / len(kept) if kept else float("nan")


def distinctness(texts: Sequence[str]) -> float:
    """1 − mean over pairs of texts of the Jaccard similarity of their content words; 0 (all alike) to 1.

    Two texts without content words are alike. NaN for fewer than two texts. Source of the similarity: Jaccard
    (1912), The distribution of the flora in the alpine zone.
    """
    if len(texts) < 2:
        return float("nan")
    sets = [content_words(text) for text in texts]
    column = {word: i for i, word in enumerate(sorted(frozenset().union(*sets)))}
    present = np.zeros((len(sets), len(column)), np.float32)
    for row, kept in enumerate(sets):
        present[row, [column[word] for word in kept]] = 1
    sizes = present.sum(axis=1, dtype=np.float64)
    total = 0.0
    for row in range(len(sets) - 1):  # a whole matrix of pairs would grow with the square of the texts
        shared = (present[row + 1 :] @ present[row]).astype(np.float64)
        united = sizes[row] + sizes[row + 1 :] - shared
        total += float(np.where(united > 0, shared / np.maximum(united, 1), 1.0).sum())
    return 1 - total / (len(sets) * (len(sets) - 1) / 2)
