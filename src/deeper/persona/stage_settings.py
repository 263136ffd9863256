"""The settings that a stage with a model is keyed by."""

from collections.abc import Mapping
from typing import Any

from deeper.domains import Domain
from deeper.engine import Engine
from deeper.persona.prompts.templates import Prompts


def stage_settings(
    engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], seed: int, **more: Any
) -> dict[str, Any]:
    """Everything besides code that decides what a model answers in a stage; `more` are the stage's own settings."""
    return {
        "engine": engine.fingerprint,
        "prompts": prompts.version,
        "seed": seed,
        "domains": {name: repr(domain) for name, domain in sorted(domains.items())},
        **more,
    }
