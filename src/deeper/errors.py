"""Errors that a user can fix: what was wrong, where, and what to do next."""


def printable(text: str) -> str:
    """Return text for a terminal: a question mark replaces every unprintable character except line ends."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def install_extra(name: str) -> str:
    """Return what to do about a missing extra, such as `prepare`, as the end of a message."""
    first = "install PyTorch, then " if name == "train" else ""
    return f'{first}in a checkout: pip install ".[{name}]"'


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
