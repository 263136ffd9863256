"""What a run will work on: the data, who of it is judged, and the engines, all looked at before anything is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.own.ratings_file import RatingsSummary, read_ratings
from deeper.behaviour.splits import user_hash
from deeper.behaviour.users import Key
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.population import Population, choose_population, on_all, on_validation
from deeper.engine import Engine
from deeper.engine.adapter import load_adapter
from deeper.errors import UserError
from deeper.persona.prompts.templates import Prompts, load_prompts


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        settings: The run's settings; `rounds` are at most what the data has windows for.
        prompts: The templates.
        loaded: The data.
        look: With own ratings, what was read of their file.
        population: Who is judged, and who calibrates.
        engines: By role.
        notes: What readers of the results must know of the data.
    """

    settings: Settings
    prompts: Prompts
    loaded: Loaded
    look: RatingsSummary | None
    population: Population
    engines: dict[str, Engine]
    notes: list[str]


def make_plan(settings: Settings) -> Plan:
    """Read the data, choose the users and make the engines.

    Raises:
        UserError: The data, the settings or an engine do not allow the run.
    """
    prompts = load_prompts(Path(settings.prompts) if settings.prompts else None)
    loaded, look = _load(settings)
    if settings.split == "validation":
        loaded = on_validation(loaded)
    elif settings.split == "all":
        loaded = on_all(loaded)
    read_before = _trained_on(settings.predictor_engine, settings.predictor_adapter)
    fitted = settings.calibrates or settings.prediction == "history"
    population = choose_population(loaded, settings.users, settings.calibration_users if fitted else 0, read_before)
    _check_unseen(list(population.eval), settings)
    possible = max((len(windows) for windows in population.eval.values()), default=0) - 2
    if possible < 0:
        raise UserError(
            f"there is no {settings.split} user with two windows",
            where=settings.ratings or settings.data,
            do=f"choose data or domains with {settings.split} users",
        )
    notes = list(loaded.notes)
    if possible < settings.rounds:
        notes.append(f"rounds: {possible}, since no user has windows for more")
        settings = settings.model_copy(update={"rounds": possible})
    engines = make_engines(
        {
            "policy": (settings.policy_engine, settings.policy_adapter),
            "predictor": (settings.predictor_engine, settings.predictor_adapter),
        },
        prompts,
    )
    return Plan(settings, prompts, loaded, look, population, engines, notes)


def _load(settings: Settings) -> tuple[Loaded, RatingsSummary | None]:
    if not settings.ratings:
        return load_windows(settings.data, settings.domains or None), None
    own = read_ratings(Path(settings.ratings), settings.item, settings.scale, settings.columns)
    if unknown := [name for name in settings.domains if name != own.domain.id]:
        raise UserError(
            f"the ratings have no domain {', '.join(unknown)}", where="domains", do=f"leave it out ({own.domain.id})"
        )
    return Loaded(own.windows, {own.domain.id: own.domain}, own.notes, settings.ratings), own.summary


def _trained_on(engine: str, adapter: str) -> frozenset[str]:
    """Hashes of the users that an adapter was trained on; of one on a server, or without a card, nothing is known."""
    if not adapter or engine.startswith("openai:"):
        return frozenset()
    return load_adapter(Path(adapter), needs_card=False).users


def _check_unseen(judged: Iterable[Key], settings: Settings) -> None:
    """Refuse to judge users whose ratings an adapter has learnt."""
    for role, engine, adapter in (
        ("policy", settings.policy_engine, settings.policy_adapter),
        ("predictor", settings.predictor_engine, settings.predictor_adapter),
    ):
        seen = _trained_on(engine, adapter)
        if count := sum(user_hash(*key) in seen for key in judged):
            raise UserError(
                f"the {role}'s adapter was trained on {count} of the users to be judged",
                where=adapter,
                do="judge others, or train again without them",
            )
