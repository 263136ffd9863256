"""The engines of a run's roles, with their adapters."""

import logging
from collections.abc import Mapping
from pathlib import Path

from deeper.engine import Engine
from deeper.engine.adapter import Adapter, Kind, load_adapter
from deeper.engine.registry import make_engine
from deeper.errors import UserError
from deeper.persona.prompts.templates import Prompts

log = logging.getLogger(__name__)


def make_engines(roles: Mapping[Kind, tuple[str, str]], prompts: Prompts) -> dict[str, Engine]:
    """Make the engine of each role; roles with the same engine and adapter share one.

    Args:
        roles: The engine and the adapter of a role, as `make_engine` takes them.
        prompts: What the engines will be asked with.

    Raises:
        UserError: An engine cannot be made, or an adapter was trained for the other role, with other prompts or on
            other weights. Of an adapter that a server knows by name, only the server knows these.
    """
    for role, (spec, adapter) in roles.items():
        if adapter and not spec.startswith("openai:"):
            check_adapter(role, Path(adapter), prompts.version_for(role))
    made = {choice: make_engine(*choice) for choice in dict.fromkeys(roles.values())}
    return {role: made[choice] for role, choice in roles.items()}


def check_adapter(role: Kind, folder: Path, prompt_version: str) -> Adapter:
    """Read the card of an adapter.

    A policy's may be one of another tool, which has no card: what it was trained on is then taken on trust, with a
    note. A predictor's may not, because it has to say whom it has learnt from.

    Raises:
        UserError: It is broken, or was trained for the other role or with other prompts.
    """
    adapter = load_adapter(folder, needs_card=role == "predictor")
    if adapter.kind is None:
        log.warning(
            "note: %s has no deeper.json: nothing tells its base model, its prompts and the users it has learnt from; "
            "it is used as a policy with the prompts %s",
            folder, prompt_version,
        )  # fmt: skip
        return adapter
    if adapter.kind != role:
        raise UserError(
            f"this is the adapter of a {adapter.kind}, not of a {role}",
            where=str(folder),
            do=f"give it as {adapter.kind}_adapter, or train a {role}",
        )
    if adapter.prompt_version != prompt_version:
        raise UserError(
            f"the adapter was trained with the prompts {adapter.prompt_version}, and these are {prompt_version}",
            where=str(folder),
            do="use the prompts it was trained with (setting prompts), or train it again",
        )
    return adapter
