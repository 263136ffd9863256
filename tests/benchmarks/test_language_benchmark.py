"""benchmarks/language.py: its paraphrase uses words that the describer never uses."""

import re
import sys
from pathlib import Path

from deeper.domains.level_words import LEVEL_WORDS
from deeper.persona.describer import phrases

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import language


def words_of_the_describer() -> set[str]:
    """All words of its phrasings and of levels."""

    def texts(value: object) -> list[str]:
        parts = [text for one in value for text in texts(one)] if isinstance(value, tuple) else []
        return [value] if isinstance(value, str) else parts

    names = [name for name in vars(phrases) if name.isupper()]
    every = " ".join(
        text for value in (*(getattr(phrases, name) for name in names), LEVEL_WORDS) for text in texts(value)
    )
    return set(re.findall(r"[\w-]+", re.sub(r"\{\w+\}", " ", every).lower()))


def test_each_replacement_is_foreign_and_each_replaced_word_is_not() -> None:
    known = words_of_the_describer()
    assert set(language.FOREIGN) <= known
    assert not set(language.FOREIGN.values()) & known


def test_a_paraphrase_has_other_words_and_the_reverse_order() -> None:
    text = "This person usually finds films good, give or take a little. They love Crime. This person is new."
    assert language.level_only(text) == "This person usually finds films good, give or take a little."
    assert language.paraphrase(text) == (
        "This reader is unfamiliar. They adore Crime. "
        "This reader customarily considers films enjoyable, give or take a scant."
    )
