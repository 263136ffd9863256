import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.titles import clean_title, has_title, remove_hidden, unescape

PIECES = [
    "&",
    "&amp;",
    "&#38;",
    "quot;",
    "&quot;",
    "#",
    "x26;",
    "\u00ad",
    "\u200b",
    " ",
    "\t",
    "\u037e",
    "e\u0301",
]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("The Lamp &amp; the Moth", "The Lamp & the Moth"),
        ("12&quot; Ruler", '12" Ruler'),
        ("Deep &amp;amp;quot; Nest", 'Deep " Nest'),
        ("Caf&eacute;&nbsp;Lune", "Café Lune"),
        ("Tea &#39;n&#x27; Toast", "Tea 'n' Toast"),
        ("  two   blanks\tand a tab\nline ", "two blanks and a tab line"),
        ("soft\u00adhy\u00adphen", "softhyphen"),
        ("\u200eLeft Mark\ufeff", "Left Mark"),
        ("zero\u200bwidth \u200b gap", "zerowidth gap"),
        ("bell\x07 and null\x00", "bell and null"),
        ("half \ud83d pair", "half pair"),
        ("Cafe\u0301", "Café"),
        ("Q&notes and R&D", "Q&notes and R&D"),
        ("&nosuchthing; stays", "&nosuchthing; stays"),
        ("{braces} 'quotes' [ ( Author ) ]", "{braces} 'quotes' [ ( Author ) ]"),
        ("&shy;&#8203;", ""),
    ],
)
def test_cleans(raw: str, cleaned: str) -> None:
    assert clean_title(raw) == cleaned


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
def test_a_clean_title_stays_as_it_is(raw: str) -> None:
    title = clean_title(raw)
    assert clean_title(title) == title
    assert unescape(title) == title
    assert remove_hidden(title) == title
    assert title == " ".join(title.split())
    assert unicodedata.is_normalized("NFC", title)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&"), min_size=1))
def test_plain_text_is_left_alone(raw: str) -> None:
    assert clean_title(raw) == raw


@pytest.mark.parametrize("title", ["", "  \t", "Unknown", " Unknown ", "\u200b", "&nbsp;"])
def test_no_title(title: str) -> None:
    assert not has_title(title)


@pytest.mark.parametrize("title", ["42", "P", "The Unknown", "Unknown Pleasures (2003)"])
def test_a_title(title: str) -> None:
    assert has_title(title)
