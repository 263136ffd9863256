"""Make the engines of a run from its settings, and check that their adapters fit."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deeper.behaviour.splits import share_out
from deeper.behaviour.users import Key
from deeper.domains import Domain
from deeper.engine import Engine, Precision, ServerSettings
from deeper.engine.adapter import SHIPPED, Adapter, AdapterKind, load_adapter
from deeper.engine.registry import make_engine
from deeper.errors import UserError
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import EVIDENCE_CHOICES, Prompts, evidence_of, load_prompts

log = logging.getLogger(__name__)


def make_engines(
    roles: Mapping[AdapterKind, tuple[str, str]],
    prompts: Prompts,
    precision: Precision,
    servers: Mapping[AdapterKind, ServerSettings] | None = None,
) -> dict[str, Engine]:
    """Make the engines of policy and predictor. Roles with the same engine and adapter share one.

    Args:
        roles: The engine and the adapter of each role, as `make_engine` takes them.
        prompts: The templates that the engines will be asked with.
        precision: What models on this machine compute in.
        servers: How to call the server of a role whose engine has one.

    Raises:
        UserError: An engine cannot be made, or an adapter was trained for the other role, with other prompts or on
            other weights. An adapter that a server knows by name is not checked.
    """
    for role, (spec, adapter) in roles.items():
        if adapter and not spec.startswith("openai:"):
            check_adapter(role, Path(adapter), prompts.hashes_for(role), prompts)
    choices = {
        role: (spec, adapter, (servers or {}).get(role) if spec.startswith("openai:") else None)
        for role, (spec, adapter) in roles.items()
    }
    made = {
        (spec, adapter, server): make_engine(spec, adapter, precision, server)
        for spec, adapter, server in dict.fromkeys(choices.values())
    }
    return {role: made[choice] for role, choice in choices.items()}


def check_adapter(
    role: AdapterKind, folder: Path, templates: Mapping[str, str] | None, prompts: Prompts | None = None
) -> Adapter:
    """Read an adapter's card, and refuse an adapter that was trained for something else.

    Only the templates that the adapter was trained on must be unchanged; the prompt of a new updater is allowed. A
    policy's adapter may come from another tool and have no card: it is used unchecked, with a note. A predictor's
    adapter needs a card because the card lists the users it was trained on.

    Args:
        role: What the adapter will be used for.
        folder: The adapter.
        templates: Hashes of the prompt templates in use, by name; None to train it on, with whatever prompts.
        prompts: The prompts in use; None if the hashes stand beside pairs that were made before.

    Raises:
        UserError: The adapter is broken, was trained for the other role or with other evidence, or one of its templates
            has changed since.
    """
    adapter = load_adapter(folder, needs_card=role == "predictor")
    if adapter.kind is None:
        log.warning(
            "note: %s has no deeper.json, so its base model, prompts and training users are unknown; it is used "
            "unchecked as a policy",
            folder,
        )
        return adapter
    if adapter.kind != role:
        raise UserError(
            f"this is the adapter of a {adapter.kind}, not of a {role}",
            where=str(folder),
            do=f"pass it as {adapter.kind}_adapter, or train a {role}",
        )
    if templates is not None and (changed := _changed(adapter, templates)):
        raise _other_prompts(adapter, templates, changed, prompts, str(folder))
    return adapter


def _changed(adapter: Adapter, templates: Mapping[str, str]) -> list[str]:
    """The templates of an adapter that have other hashes."""
    today = {**templates, ITEM_KNOWLEDGE: words_hash()}
    return [name for name, digest in adapter.templates.items() if today.get(name) != digest]


def _other_prompts(
    adapter: Adapter, templates: Mapping[str, str], changed: Sequence[str], prompts: Prompts | None, where: str
) -> UserError:
    """The error for an adapter that was trained with other prompts, or only with other evidence."""
    texts = prompts or load_prompts()
    here = prompts.evidence if prompts else evidence_of(templates, texts)
    without = {one: _changed(adapter, replace(texts, evidence=one).hashes) for one in EVIDENCE_CHOICES}
    learnt = min(EVIDENCE_CHOICES, key=lambda one: len(without[one]))
    if here is None or len(without[learnt]) >= len(changed):
        what = f"the adapter was trained with another text of {_named(changed)}"
        do = "use the prompts it was trained with (setting prompts), name no adapter, or train it again"
        return UserError(what, where=where, do=do)
    what = f"the adapter was trained with evidence {learnt}, and evidence is {here} here"
    do = f"give --evidence {learnt} (in Python: evidence={learnt!r})"
    if prompts is None:
        what = f"the adapter was trained with evidence {learnt}, and the pairs were sampled with evidence {here}"
        do = f"sample again with deeper sample --evidence {learnt}, or start from another adapter"
    elif without[learnt]:
        what += f", and it was trained with another text of {_named(without[learnt])}"
        do += ", and use the prompts it was trained with (setting prompts), or name no adapter"
    elif adapter.folder.parent == SHIPPED:
        what = f"the package's policy was trained with evidence {learnt}, so it cannot be used with evidence {here}"
        do += f", or use no adapter of the package (deeper evaluate --untuned --evidence {here})"
    return UserError(what, where=where, do=do)


def _named(prompts: Sequence[str]) -> str:
    return f"the prompt{'s' * (len(prompts) > 1)} {', '.join(prompts)}"


def make_predictors(
    spec: str,
    adapters: Sequence[str],
    prompts: Prompts,
    keys: Sequence[Key],
    precision: Precision,
    server: ServerSettings,
    *,
    domains: Mapping[str, Domain],
    readout: str,
    seed: int,
) -> Predictors:
    """Make the predictors, and give each user one that was not trained on that user.

    Args:
        spec: The engine.
        adapters: Folders, or NAME=FOLDER on a server; empty for the engine as it is.
        prompts: The templates.
        keys: The users.
        precision: What models on this machine compute in.
        server: How to call the server of the engine, if it has one.
        domains: By id.
        readout: How predictions are read.
        seed: Seed of the structured readout's second attempt.

    Raises:
        UserError: An engine cannot be made, an adapter does not fit, or every predictor was trained on a user.
    """
    served = spec.startswith("openai:")
    named = [adapter.rpartition("=") if served else ("", "", adapter) for adapter in adapters]
    if served and any(not name for name, _, _ in named):
        raise UserError("an adapter on a server needs its name and its folder", do="write NAME=FOLDER")
    templates = prompts.hashes_for("predictor")
    cards = [check_adapter("predictor", Path(folder), templates, prompts) for _, _, folder in named]
    users = share_out(keys, [card.users for card in cards] or [frozenset()])
    names = [name or folder for name, _, folder in named] or [""]
    served_by: dict[AdapterKind, ServerSettings] = {"predictor": server}
    engines = [make_engines({"predictor": (spec, name)}, prompts, precision, served_by)["predictor"] for name in names]
    return Predictors(engines, [frozenset(some) for some in users], prompts, domains, readout, seed)
