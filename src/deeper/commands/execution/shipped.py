"""The adapters in the package, as the default of commands and trackers.

They were trained for the embedded small model and the built-in prompts. A role takes its adapter only if the user chose
none of engine, adapter and prompts for it.
"""

from collections.abc import Iterable
from typing import Any

from deeper.storage.settings import AnySettings, RunSettings

ADAPTERS = {"policy": "small-policy", "predictor": "small-predictor"}
"""The shipped adapter of each role."""
POLICY_TOKENS = 72
"""The length of the personas that the shipped policy learnt to write."""
DECIDING = (
    *("policy_engine", "policy_adapter", "predictor_engine", "predictor_adapter"),
    *("prompts", "max_persona_tokens"),
)
"""Settings that count as chosen once they are given."""
LICENCE = "CC BY-NC 4.0, for research use only"


def with_shipped(settings: AnySettings, untuned: bool = False) -> AnySettings:
    """The settings with a shipped adapter for each role that the user left alone.

    Args:
        settings: Has the fields prompts, max_persona_tokens, and an engine and an adapter for each role. A field counts
            as chosen if it was given to the constructor, even with its default value.
        untuned: Take no shipped adapter.
    """
    chosen = settings.model_fields_set
    taken: dict[str, Any] = {
        f"{role}_adapter": adapter
        for role, adapter in ADAPTERS.items()
        if not untuned and not chosen & {"prompts", f"{role}_engine", f"{role}_adapter"}
    }
    if "policy_adapter" in taken and "max_persona_tokens" not in chosen:
        taken["max_persona_tokens"] = POLICY_TOKENS
    return settings.model_copy(update=taken)


def without_shipped(settings: AnySettings, roles: Iterable[str]) -> AnySettings:
    """The settings without the shipped adapters of some roles, whose engines are replaced."""
    shipped = {f"{role}_adapter": ADAPTERS[role] for role in roles}
    return settings.model_copy(update={name: "" for name, own in shipped.items() if getattr(settings, name) == own})


def licence_note(settings: RunSettings) -> str:
    """One line on the licence of the shipped adapters that the settings name; empty if they name none."""
    named = {getattr(settings, f"{role}_adapter") for role in ADAPTERS}
    used = [adapter for adapter in ADAPTERS.values() if adapter in named]
    if not used:
        return ""
    return f"note: using the adapter{'s' * (len(used) > 1)} of the package, {' and '.join(used)} ({LICENCE})"
