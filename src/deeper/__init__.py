"""Readable user personas, refined from prediction errors and judged by what the users did next."""


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: reading it costs half of the time that `deeper --help` takes."""
    if name != "__version__":
        raise AttributeError(f"module 'deeper' has no attribute {name!r}")
    from importlib.metadata import version

    return version("deeper-persona")
