"""The adapters in the package, as the default of commands and trackers.

They were trained for the embedded small model and the built-in prompts. A role takes its adapter only if the user chose
none of engine, adapter and prompts for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from deeper.storage.settings import AnySettings, RunSettings

ADAPTERS = {"policy": "small-policy", "predictor": "small-predictor"}
"""The shipped adapter of each role."""
POLICY_TOKENS = 72
"""The length of the personas that the shipped policy learnt to write."""
LEARNT_WITH: Mapping[str, Mapping[str, Any]] = {
    "policy": {"max_persona_tokens": POLICY_TOKENS},
    "predictor": {},
}
"""The settings that each shipped adapter learnt with. They come with it, unless the user set them."""
DECIDING = (
    *("policy_engine", "policy_adapter", "predictor_engine", "predictor_adapter", "prompts"),
    *(name for learnt in LEARNT_WITH.values() for name in learnt),
)
"""Settings that count as chosen once they are given."""
LICENCE = "CC BY-NC 4.0, for research use only"
INSTEAD = "for commercial use, choose --untuned or another model"


def with_shipped(settings: AnySettings, untuned: bool = False) -> AnySettings:
    """The settings with a shipped adapter for each role that the user left alone.

    Args:
        settings: Has the fields prompts, max_persona_tokens, and an engine and an adapter for each role. A field counts
            as chosen if it was given to the constructor, even with its default value.
        untuned: Take no shipped adapter.
    """
    roles = [] if untuned or _has_own_prompts(settings) else _left_alone(settings)
    taken: dict[str, Any] = {f"{role}_adapter": ADAPTERS[role] for role in roles}
    learnt = {role: names for role, names in LEARNT_WITH.items() if f"{role}_adapter" in taken}
    taken |= {name: value for names in learnt.values() for name, value in names.items()
              if name not in settings.model_fields_set}  # fmt: skip
    return settings.model_copy(update=taken)


def without_shipped(settings: AnySettings, roles: Iterable[str]) -> AnySettings:
    """The settings without the shipped adapters of some roles, whose engines are replaced."""
    shipped = {f"{role}_adapter": ADAPTERS[role] for role in roles}
    return settings.model_copy(update={name: "" for name, own in shipped.items() if getattr(settings, name) == own})


def notes_on_shipped(settings: RunSettings, untuned: bool) -> list[str]:
    """What a user has to know of the shipped adapters: the licence of those in use, and why some are not.

    Args:
        settings: What `with_shipped` returned.
        untuned: What it was given.
    """
    named = {getattr(settings, f"{role}_adapter") for role in ADAPTERS}
    notes: list[str] = []
    if used := [adapter for adapter in ADAPTERS.values() if adapter in named]:
        many = "s" * (len(used) > 1)
        notes.append(f"using the adapter{many} of the package, {' and '.join(used)} ({LICENCE}); {INSTEAD}")
    if (roles := _left_alone(settings)) and _has_own_prompts(settings) and not untuned:
        left = " and ".join(ADAPTERS[role] for role in roles)
        flags = " or ".join(map(_flags, roles))
        notes.append(
            f"your own prompts are not those that {left} learnt, so the model runs without adapters, as with "
            f"--untuned. If you left an adapter's prompts as they are, name it: {flags}"
        )
    return notes


def _flags(role: str) -> str:
    """The flags that name a shipped adapter and what it learnt with."""
    given = {f"{role}_adapter": ADAPTERS[role], **LEARNT_WITH[role]}
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())


def _has_own_prompts(settings: RunSettings) -> bool:
    return "prompts" in settings.model_fields_set


def _left_alone(settings: RunSettings) -> list[str]:
    """The roles for which the user chose neither an engine nor an adapter."""
    chosen = settings.model_fields_set
    return [role for role in ADAPTERS if not chosen & {f"{role}_engine", f"{role}_adapter"}]
