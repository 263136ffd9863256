"""Paths as a user writes them: `~` is the home folder, in flags, configuration files and Python alike."""

import os
import re
from typing import Any

from deeper.errors import UserError

_HOME = re.compile(r"(?:^|(?<=[,:=]))~[^/,:=]*(?=/|$)")
"""Where a path begins: at the start of a text, in a list, after the name of an engine, or after a flag's name."""


def with_home(value: Any) -> Any:
    """Return a text, or each text of a list, with `~` and `~NAME` at the start of a path replaced; the rest as it is.

    Raises:
        UserError: A text holds bytes that are no UTF-8, as file names of other systems do.
    """
    if isinstance(value, list | tuple):
        return type(value)(with_home(one) for one in value)
    if not isinstance(value, str):
        return value
    if is_no_utf_8(value):
        do = "rename the file or folder, or link to it by another name"
        raise UserError("the name is not valid UTF-8", where=value, do=do)
    return _HOME.sub(lambda found: os.path.expanduser(found[0]), value)


def is_no_utf_8(text: str) -> bool:
    """Return whether a text holds bytes that are no UTF-8. Lone surrogates stand for bytes, in some locales for all."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return False
    try:
        os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return True
    return False
