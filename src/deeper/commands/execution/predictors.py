"""Make the predictors of a run from its settings, and deal the users out to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from deeper.behaviour.splits import share_out
from deeper.behaviour.users import Key
from deeper.commands.execution.engines import check_adapter, make_engines
from deeper.domains import Domain
from deeper.errors import UserError
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import Prompts


def make_predictors(
    spec: str,
    adapters: Sequence[str],
    prompts: Prompts,
    keys: Sequence[Key],
    *,
    domains: Mapping[str, Domain],
    readout: str,
    seed: int,
) -> Predictors:
    """Make the predictors, and give each user one that was not trained on that user.

    Args:
        spec: The engine, as settings name it.
        adapters: Folders, or NAME=FOLDER on a server; empty for the engine without an adapter.
        prompts: The templates.
        keys: The users.
        domains: By id.
        readout: How predictions are read: one of `persona.predict.READOUTS`.
        seed: Seed of the structured readout's second attempt.

    Raises:
        UserError: An engine cannot be made, an adapter does not fit, or every predictor was trained on some user.
    """
    served = spec.startswith("openai:")
    named = [adapter.rpartition("=") if served else ("", "", adapter) for adapter in adapters]
    if served and any(not name for name, _, _ in named):
        raise UserError("an adapter on a server needs its name and its folder", do="write NAME=FOLDER")
    cards = [check_adapter("predictor", Path(folder), prompts.hashes_for("predictor")) for _, _, folder in named]
    users = share_out(keys, [card.users for card in cards] or [frozenset()])
    names = [name or folder for name, _, folder in named] or [""]
    engines = [make_engines({"predictor": (spec, name)}, prompts)["predictor"] for name in names]
    return Predictors(engines, [frozenset(keys_of_one) for keys_of_one in users], prompts, domains, readout, seed)
