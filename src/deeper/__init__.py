"""Readable user personas, refined from prediction errors and judged by what the users did next."""

from importlib.metadata import version

__version__ = version("deeper-persona")
