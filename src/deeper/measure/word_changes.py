"""Differences between two texts, word by word."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

FORMS = {"kept": "{}", "inserted": "{{+{}+}}", "deleted": "[-{}-]"}


@dataclass(frozen=True)
class Change:
    """A run of words that was kept, inserted or deleted.

    Attributes:
        kind: What happened to the words.
        text: The words.
    """

    kind: Literal["kept", "inserted", "deleted"]
    text: str


def word_changes(old: str, new: str) -> tuple[Change, ...]:
    """The changes that turn one text into another; words are separated by white space."""
    before, after = old.split(), new.split()
    found: list[Change] = []
    for what, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            found.append(Change("kept", " ".join(before[i:j])))
            continue
        if i < j:
            found.append(Change("deleted", " ".join(before[i:j])))
        if k < m:
            found.append(Change("inserted", " ".join(after[k:m])))
    return tuple(found)


def marked(changes: Iterable[Change]) -> str:
    """The changes in one line of plain text: [-deleted-] {+inserted+}."""
    return " ".join(FORMS[change.kind].format(change.text) for change in changes)
