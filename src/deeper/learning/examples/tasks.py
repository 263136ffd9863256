"""The tasks that a policy learns, and the kinds of personas that a predictor learns to read."""

from typing import Literal

Task = Literal[
    "initialise", "refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration"
]
"""The prompt that a lesson asks: the first persona, or that of an updater."""

PersonaKind = Literal["describer", "level_only", "unknown", "policy"]
"""Who wrote the persona of a reading: the describer, the describer with the verdict alone, nobody (an empty persona),
or a policy."""
