"""Readable user personas, refined from prediction errors and judged by what the users did next."""

from typing import TYPE_CHECKING, Any

from deeper.errors import UserError

if TYPE_CHECKING:
    from deeper.evaluation.runs.compare_runs import compare_runs
    from deeper.evaluation.runs.load_run import load_run
    from deeper.tracker import PersonaTracker

    __version__: str

__all__ = ["PersonaTracker", "UserError", "__version__", "compare_runs", "load_run"]

_PLACES = {
    "PersonaTracker": "deeper.tracker",
    "compare_runs": "deeper.evaluation.runs.compare_runs",
    "load_run": "deeper.evaluation.runs.load_run",
}


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for: `import deeper` alone is quick and loads no engine."""
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("deeper-persona")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
