"""Every reader of foreign bytes, as a function that takes bytes; `benchmarks/fuzz.py` and the tests feed them."""

from fuzzing.data import DATA
from fuzzing.models import MODELS
from fuzzing.runs import RUNS
from fuzzing.target import Target

TARGETS: tuple[Target, ...] = (*DATA, *MODELS, *RUNS)
"""All readers. Add a new one to the list of its kind."""
