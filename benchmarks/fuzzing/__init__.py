"""Every reader of foreign bytes as a function that takes bytes: what `benchmarks/fuzz.py` and the tests feed."""

from fuzzing.data import DATA
from fuzzing.models import MODELS
from fuzzing.runs import RUNS
from fuzzing.target import Target

TARGETS: tuple[Target, ...] = (*DATA, *MODELS, *RUNS)
"""All readers. A new one is a line in the list of its kind."""
