"""Readable user personas, refined from prediction errors and judged by what the users did next."""

from typing import TYPE_CHECKING, Any

from deeper.errors import UserError

if TYPE_CHECKING:
    from deeper.tracker import PersonaTracker

    __version__: str

__all__ = ["PersonaTracker", "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for: `import deeper` alone is quick and loads no engine."""
    if name == "PersonaTracker":
        from deeper.tracker import PersonaTracker

        return PersonaTracker
    if name == "__version__":
        from importlib.metadata import version

        return version("deeper-persona")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
