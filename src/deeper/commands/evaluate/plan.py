"""A run's data, users and engines, all checked before it starts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.join_items import join_items
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.own.handed import as_table, table_digest
from deeper.behaviour.own.ratings_file import RatingsSummary, read_ratings
from deeper.behaviour.splits import user_hash
from deeper.behaviour.users import Key
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.own_updaters import load_updaters
from deeper.commands.execution.population import Population, choose_population, notes_on_skipped, on_all, on_validation
from deeper.commands.execution.population_knowledge import item_knowledge_notes, item_knowledge_of
from deeper.commands.execution.shared_settings import servers_of
from deeper.engine import Engine
from deeper.engine.adapter import load_adapter
from deeper.errors import UserError
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.rounds import Loop
from deeper.persona.updaters import Updaters
from deeper.persona.write import Writer
from deeper.storage.stage import Executor


@dataclass(frozen=True)
class RunPlan:
    """A run before it starts.

    Attributes:
        settings: The run's settings, with `rounds` lowered to what the data has windows for.
        prompts: The templates.
        loaded: The data.
        look: What was read from the file of ratings; None without one.
        population: The users to evaluate and the calibration users.
        engines: By role.
        notes: What readers of the results must know about the data.
        updaters: The built-in updaters, and the user's own.
    """

    settings: Settings
    prompts: Prompts
    loaded: Loaded
    look: RatingsSummary | None
    population: Population
    engines: dict[str, Engine]
    notes: list[str]
    updaters: Updaters

    def loop(self, executor: Executor) -> Loop:
        """The loop of the run: its policy and its predictor."""
        settings, domains = self.settings, self.loaded.domains
        writer = Writer(self.engines["policy"], self.prompts, settings.max_persona_tokens, settings.seed)
        predictors = Predictors(
            [self.engines["predictor"]],
            [None],
            self.prompts,
            domains,
            settings.readout,
            settings.seed,
            item_knowledge_of(settings.item_knowledge, self.population.table, domains),
        )
        return Loop(executor, writer, predictors, domains, self.updaters)


def make_plan(settings: Settings, ratings: Any = None) -> RunPlan:
    """Read the data, choose the users and make the engines.

    Args:
        settings: The settings of the run.
        ratings: A data frame (pandas, Polars) or an Arrow table of ratings, in place of `data` and `ratings` of the
            settings. The settings of the plan then name it by its content.

    Raises:
        UserError: The data, the settings or an engine cannot be used.
    """
    prompts = load_prompts(settings.prompts, settings.evidence)
    updaters = load_updaters(settings.updater)
    if ratings is not None:
        ratings = as_table(ratings)
        settings = settings.model_copy(update={"ratings": f"table {table_digest(ratings)}"})
    loaded, look = _load(settings, ratings)
    if settings.split == "validation":
        loaded = on_validation(loaded)
    elif settings.split == "all":
        loaded = on_all(loaded)
    read_before = _trained_on(settings.predictor_engine, settings.predictor_adapter)
    fitted = settings.calibrates or settings.prediction == "history"
    calibration_users = settings.calibration_users if fitted else 0
    notes = [*loaded.notes, *notes_on_skipped(loaded, settings.skip_users, settings.split)]
    population = choose_population(loaded, settings.users, calibration_users, read_before, settings.skip_users)
    _check_unseen(list(population.eval), settings)
    possible = max((len(windows) for windows in population.eval.values()), default=0) - 2
    if possible < 0:
        raise UserError(
            f"no {settings.split} user has two windows (20 ratings)",
            where=settings.ratings or settings.data,
            do=f"choose data or domains with {settings.split} users, or another --split",
        )
    if possible < settings.rounds:
        notes.append(f"rounds: {possible}, since no user has windows for more")
        settings = settings.model_copy(update={"rounds": possible})
    domains = dict.fromkeys(domain for domain, _ in population.eval)
    adapters = [settings.predictor_adapter] if settings.predictor_adapter else []
    notes += item_knowledge_notes(
        settings.item_knowledge, population.table, domains, settings.predictor_engine, adapters
    )
    engines = make_engines(
        {
            "policy": (settings.policy_engine, settings.policy_adapter),
            "predictor": (settings.predictor_engine, settings.predictor_adapter),
        },
        prompts,
        settings.precision,
        servers_of(settings),
    )
    return RunPlan(settings, prompts, loaded, look, population, engines, notes, updaters)


def _load(settings: Settings, ratings: pa.Table | None) -> tuple[Loaded, RatingsSummary | None]:
    if not settings.ratings:
        return load_windows(settings.data, settings.domains or None, settings.items), None
    given = Path(settings.ratings) if ratings is None else ratings
    own = read_ratings(given, settings.item, settings.scale, settings.columns, settings.encoding, settings.unrated)
    if unknown := [name for name in settings.domains if name != own.domain.id]:
        raise UserError(
            f"the ratings have no domain {', '.join(unknown)}",
            where="domains",
            do=f"use {own.domain.id} or leave it out",
        )
    windows, joined = join_items(own.windows, settings.items)
    return Loaded(windows, {own.domain.id: own.domain}, [*own.notes, *joined], settings.ratings), own.summary


def _trained_on(engine: str, adapter: str) -> frozenset[str]:
    """Hashes of the users that an adapter was trained on; unknown, so none, on a server or without a card."""
    if not adapter or engine.startswith("openai:"):
        return frozenset()
    return load_adapter(Path(adapter), needs_card=False).users


def _check_unseen(users: Iterable[Key], settings: Settings) -> None:
    """Refuse to judge users that an adapter was trained on."""
    for role, engine, adapter in (
        ("policy", settings.policy_engine, settings.policy_adapter),
        ("predictor", settings.predictor_engine, settings.predictor_adapter),
    ):
        seen = _trained_on(engine, adapter)
        if count := sum(user_hash(*key) in seen for key in users):
            raise UserError(
                f"the {role}'s adapter was trained on {count} of the users to judge",
                where=adapter,
                do="judge other users (--split), or use no such adapter (--untuned leaves out the package's)",
            )
