"""Clean item titles, and tell real titles from missing ones."""

import html
import re
import unicodedata
from functools import lru_cache
from html.entities import html5

# Only complete, known entities with their semicolon: `html.unescape` alone would turn "Q&notes" into "Q¬es".
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# "&amp;amp;amp;" is "&" at any length; resolving it level by level would take quadratic time.
_NESTED = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})
_MISSING = frozenset({"", "Unknown"})


def _unescape_one(match: re.Match[str]) -> str:
    entity = match[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def unescape(title: str) -> str:
    """Return the title with its HTML entities resolved, one level deep ("&amp;quot;" gives "&quot;")."""
    return _ENTITY.sub(_unescape_one, title) if "&" in title else title


def remove_hidden(title: str) -> str:
    """Return the title without control, zero-width, direction and soft-hyphen characters; blanks are kept."""
    if title.isprintable():
        return title
    return "".join(char for char in title if char.isspace() or unicodedata.category(char) not in _HIDDEN)


@lru_cache(maxsize=1 << 16)
def clean_title(title: str) -> str:
    """Return the title in the one form in which it is stored, compared and shown.

    HTML entities are resolved at any depth, hidden characters are removed, runs of blanks (also tabs and line ends)
    become one blank, the ends are stripped, and the text is in Unicode NFC. Cleaning a clean title changes nothing.
    """
    while True:
        cleaned = " ".join(remove_hidden(unescape(_NESTED.sub("&", title))).split())
        cleaned = unicodedata.normalize("NFC", cleaned)
        if cleaned == title:
            return title
        title = cleaned


def has_title(title: str) -> bool:
    """Return whether a title names the item: not empty, not only blanks, not the publishers' "Unknown"."""
    return clean_title(title) not in _MISSING
