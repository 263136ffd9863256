"""Which encoding a text file is in: as given, as its first bytes say, or a guess for the message that asks for it."""

import codecs
import re

from deeper.errors import UserError

UTF_8 = "utf-8-sig"
"""UTF-8 with or without a byte order mark."""
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks; the longer ones first, because one begins with a shorter one."""
CHARACTERS_AROUND = 20
"""Characters before and after a place that a message shows."""

_ESCAPED = re.compile("[\udc80-\udcff]")
_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that do not stand for a byte."""


def find_encoding(head: bytes, given: str, where: str) -> str:
    """Return the encoding to read a file in.

    Args:
        head: The first bytes of the file.
        given: The encoding's name as the user gives it; empty if it is not given.
        where: The file, for messages.

    Raises:
        UserError: There is no such encoding, or the file is in none that its first bytes show.
    """
    if given:
        return _known(given)
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.startswith(b"PK\x03\x04"):
        raise UserError("the file is a spreadsheet or a zip file, not text", where=where, do="save the sheet as CSV")
    if head.count(0) > len(head) // 8:
        even, odd = head[::2].count(0), head[1::2].count(0)
        likely = f", or give --encoding utf-16-{'le' if odd else 'be'}" if not (even and odd) else ""
        raise UserError("the file is not in UTF-8", where=where, do=f"save it as text in UTF-8{likely}")
    return UTF_8


def is_undecoded(text: str) -> bool:
    """Return whether a text that was read with the error handler surrogateescape holds bytes of another encoding."""
    return not text.isascii() and _ESCAPED.search(text) is not None


def likely_encoding(text: str) -> tuple[str, str]:
    """Return the encoding that an undecoded text is probably in, and how its first such place reads in it."""
    found = _ESCAPED.search(text)
    place = found.start() if found else 0
    around = text[max(0, place - CHARACTERS_AROUND) : place + CHARACTERS_AROUND]
    raw = _SURROGATES.sub("?", around).encode("utf-8", "surrogateescape")
    try:
        return "cp1252", raw.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1", raw.decode("latin-1")


def _known(given: str) -> str:
    try:
        name = codecs.lookup(given).name
        "a".encode(name)
    except (LookupError, UnicodeError, ValueError, TypeError) as error:
        do = "give a name that Python knows: cp1252, latin-1, utf-16, cp1251, shift_jis, gb18030"
        raise UserError(f"there is no text encoding {given!r}", where="encoding", do=do) from error
    return UTF_8 if name == "utf-8" else name
