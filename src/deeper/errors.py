"""Errors that a user can fix: what was wrong, where, and what to do next."""

from collections.abc import Iterable


def printable(text: str) -> str:
    """Return text for a terminal: a question mark replaces every unprintable character except line ends."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def choose_from(known: Iterable[str], *wrong: str) -> str:
    """Return what to do about wrong names: the known ones that were perhaps meant, and all known ones."""
    from difflib import get_close_matches

    names = list(known)
    meant = dict.fromkeys(match for name in wrong for match in get_close_matches(name, names, 1))
    begin = f"did you mean {' and '.join(meant)}? Choose" if meant else "choose"
    return f"{begin} from {', '.join(names)}"


def install_extra(name: str) -> str:
    """Return what to do about a missing extra, such as `prepare`, as the end of a message.

    The command names what this package was installed from: a checkout, a wheel, or a package index.
    """
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    first = "install PyTorch, then run " if name == "train" else "run "
    try:
        origin = json.loads(distribution("deeper-persona").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # the code is on the path, and nothing is installed
        return f'{first}this in the checkout: pip install -e ".[{name}]"'
    url = str(origin.get("url", ""))
    if "dir_info" in origin:
        flag = "-e " if origin["dir_info"].get("editable") else ""
        folder = url2pathname(urlsplit(url).path)
        return f'{first}pip install {flag}"{folder}[{name}]"'
    return f'{first}pip install "deeper-persona[{name}]{f" @ {url}" if url else ""}"'


class UserError(Exception):
    """An error that the user can fix; the command line prints it as one message and exits with 2."""

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        """Describe the error.

        Args:
            what: What was wrong, as one sentence without a full stop.
            where: File and row, setting, or address.
            do: What to do next, as one sentence without a full stop.
        """
        self.what, self.where, self.do = what, where, do
        super().__init__(f"{where}: {what}" if where else what)

    def __str__(self) -> str:
        """Return two lines: where and what, then what to do."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{head}.\n  → {self.do}." if self.do else f"{head}.")
