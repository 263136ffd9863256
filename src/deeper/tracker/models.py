"""Make a tracker's policy and predictor, and read or fit the calibration of the predictor."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from deeper.behaviour.splits import some_of_each_domain
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.own_updaters import only_updater
from deeper.commands.execution.population_knowledge import adapter_notes
from deeper.commands.execution.shared_settings import servers_of
from deeper.commands.execution.shipped import notes_on_shipped, with_shipped
from deeper.domains import Domain, find_domain, load_domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import UNCALIBRATED, Calibration, fit_calibration
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.predict import AUTO, Asked, nothing_known
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.rounds import Loop
from deeper.persona.write import Writer
from deeper.storage.layout import CALIBRATION_FILE, MANIFEST_FILE
from deeper.storage.settings import resolve
from deeper.storage.stage import InMemory
from deeper.tracker.live_knowledge import LiveKnowledge
from deeper.tracker.settings import GIVEN, TrackerSettings
from deeper.tracker.tracked_user import TrackedUser

log = logging.getLogger(__name__)

NEEDS_RUN = "give the folder of a finished run of deeper evaluate"
"""What to do if a folder holds no calibration of use."""


@dataclass(frozen=True)
class Models:
    """A tracker's policy and predictor.

    Attributes:
        loop: Both, with their prompts.
        calibration: The maps of the predictor.
        domain: The domain of all users.
        knowledge: What the users think of items; None if prompts do not say it.
    """

    loop: Loop
    calibration: Calibration
    domain: Domain
    knowledge: LiveKnowledge | None = None

    @property
    def updater(self) -> str:
        """The method that refines personas."""
        return next(iter(self.loop.updaters))

    def predict(self, asked: Sequence[Asked]) -> list[dict[str, Any]]:
        """Predict windows from personas: calibrated `PREDICTION` rows."""
        raw = self.loop.predict("predict", asked)
        return self.calibration.calibrate(raw, self.loop.domains).to_pylist()

    def forget(self) -> None:
        """Drop what was computed from users, since one of them is erased."""
        if self.knowledge:
            self.knowledge.clear()


def as_domain(domain: Domain | str | Path) -> Domain:
    """Return the domain of an id or of a TOML file; a `Domain` is returned unchanged.

    Raises:
        UserError: No domain has this id, or the file does not describe one.
    """
    if isinstance(domain, Domain):
        return domain
    return load_domain(Path(domain)) if Path(domain).suffix == ".toml" else find_domain(str(domain))


def settings_of(
    engines: Mapping[str, Engine | str | None], settings: Mapping[str, Any], untuned: bool
) -> TrackerSettings:
    """The settings of a tracker, with the package's adapters for roles that the user left alone.

    Args:
        engines: By setting; None for the default.
        settings: The other settings that were given.
        untuned: Take no adapter of the package.

    Raises:
        UserError: A setting is not valid.
    """
    specs = {
        name: engine if isinstance(engine, str) else GIVEN for name, engine in engines.items() if engine is not None
    }
    found = with_shipped(resolve(TrackerSettings, None, {**settings, **specs}), untuned)
    for note in notes_on_shipped(found, untuned):
        log.warning("note: %s", note)
    return found


def make_models(
    settings: TrackerSettings,
    domain: Domain,
    policy: Engine | str,
    predictor: Engine | str,
    users: Mapping[str, TrackedUser],
) -> Models:
    """Make the policy and the predictor, without a calibration.

    Args:
        settings: The tracker's settings.
        domain: The domain of all users.
        policy: Writes personas; an engine, or its name for `make_engine`.
        predictor: Reads personas; the same choices.
        users: The tracker's users, a mapping that changes as they come and go.

    Raises:
        UserError: An engine cannot be made, or an adapter does not fit it.
    """
    prompts = load_prompts(settings.prompts, settings.evidence)
    roles = {"policy": (policy, settings.policy_adapter), "predictor": (predictor, settings.predictor_adapter)}
    for role, (engine, adapter) in roles.items():
        if adapter and not isinstance(engine, str):
            do = f"pass the adapter when you make the engine, or give {role}_engine by name"
            raise UserError(f"{role}_engine is an object, so {role}_adapter cannot be applied", where=adapter, do=do)
    specs = {role: (engine, adapter) for role, (engine, adapter) in roles.items() if isinstance(engine, str)}
    engines = {role: engine for role, (engine, _) in roles.items() if not isinstance(engine, str)}
    engines |= make_engines(cast(Any, specs), prompts, settings.precision, servers_of(settings))
    writer = Writer(engines["policy"], prompts, settings.max_persona_tokens, settings.seed)
    domains = {domain.id: domain}
    knowledge = LiveKnowledge(users, domain) if settings.item_knowledge == "population" else None
    predictors = Predictors(
        [engines["predictor"]], [None], prompts, domains, settings.readout, settings.seed, knowledge or nothing_known
    )
    adapters = [settings.predictor_adapter] if settings.predictor_adapter else []
    for note in adapter_notes(settings.item_knowledge, settings.predictor_engine, adapters):
        log.warning("note: %s", note)
    loop = Loop(InMemory(), writer, predictors, domains, only_updater(settings.updater))
    return Models(loop, UNCALIBRATED, domain, knowledge)


def identity(settings: TrackerSettings, models: Models) -> str:
    """Return what a calibration belongs to: predictor, readout and prompts. It is the same on another machine."""
    engine = (
        models.loop.predictors.engines[0].fingerprint
        if settings.predictor_engine == GIVEN
        else settings.predictor_engine
    )
    templates = models.loop.writer.prompts.hashes_for("predictor")
    if models.knowledge:
        templates[ITEM_KNOWLEDGE] = words_hash()
    return json.dumps([engine, settings.predictor_adapter, settings.readout, templates])


def with_saved(calibration: Calibration, predictor: str, settings: TrackerSettings, models: Models) -> Models:
    """Return the models with a saved calibration; without it, and with a warning, if it is another predictor's.

    Args:
        calibration: The maps.
        predictor: What they belong to (`identity`).
        settings: The tracker's settings.
        models: The models without a calibration.
    """
    if predictor == identity(settings, models):
        return replace(models, calibration=calibration)
    log.warning("the saved calibration is for another predictor; call calibrate() to fit a new one")
    return models


def read_calibration(run: Path, settings: TrackerSettings, models: Models) -> Calibration:
    """Read the calibration that a run of `deeper evaluate` fitted.

    Args:
        run: The run's folder.
        settings: The tracker's settings.
        models: Whose predictor to calibrate.

    Raises:
        UserError: The run is not finished, is not calibrated, or has another predictor, readout or prompts.
    """
    given = settings.predictor_engine == GIVEN
    try:
        manifest = json.loads((run / MANIFEST_FILE).read_bytes())
        calibration = TypeAdapter(Calibration).validate_json((run / CALIBRATION_FILE).read_bytes())
        of_run = {
            "predictor": manifest["engines"]["predictor"] if given else manifest["config"]["predictor_engine"],
            "predictor_adapter": manifest["config"]["predictor_adapter"],
            "readout": _readout(manifest["config"]["readout"]),
            "prompts": manifest["prompt_version"],
            "item_knowledge": manifest["config"].get("item_knowledge", "none"),
            "evidence": manifest["config"].get("evidence", "none"),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"the folder has no calibration that can be read ({error})", where=str(run), do=NEEDS_RUN
        ) from error
    of_tracker = {
        "predictor": models.loop.predictors.engines[0].fingerprint if given else settings.predictor_engine,
        "predictor_adapter": settings.predictor_adapter,
        "readout": _readout(settings.readout),
        "prompts": models.loop.writer.prompts.version,
        "item_knowledge": settings.item_knowledge,
        "evidence": settings.evidence,
    }
    if other := [
        f"{name} = {of_run[name]!r} (here {of_tracker[name]!r})"
        for name in of_tracker
        if of_run[name] != of_tracker[name]
    ]:
        do = "make the tracker with the run's settings, or call calibrate() once some users have two windows"
        raise UserError(f"the run was made with another predictor: {'; '.join(other)}", where=str(run), do=do)
    found = calibration.domains.get(models.domain.id)
    if found is None and calibration.pooled is None:
        raise UserError("the run is not calibrated", where=str(run), do="give a run with --calibration on")
    if found is not None and len(found.base) != len(models.domain.scale.values):
        raise UserError(f"the run's domain {models.domain.id} has another scale", where=str(run), do=NEEDS_RUN)
    return calibration


def _readout(name: str) -> str:
    """The readout of an engine with log-probabilities. Without them, `auto` is the same in the run and the tracker."""
    return "distribution" if name == AUTO else name


def fitted(models: Models, users: Mapping[str, TrackedUser], max_users: int) -> Calibration:
    """Fit the calibration on how the tracker's own users' S_0 predict their W_1.

    Args:
        models: Whose predictor to calibrate.
        users: All users by id.
        max_users: How many to use at most; a hash of the id chooses them.

    Raises:
        UserError: No user has two windows and a first persona, or no prediction can be read.
    """
    domain = models.domain
    with_two_windows = {
        (domain.id, tracked.user): tracked.windows
        for tracked in users.values()
        if tracked.versions and len(tracked.windows) > 1
    }
    chosen = some_of_each_domain(with_two_windows, max_users)
    asked = [(users[user].versions[0], {1: with_two_windows[domain.id, user][1]}) for _, user in chosen]
    maps = fit_calibration(models.loop.predict("predict", asked), with_two_windows, models.loop.domains)
    if maps.pooled is None:
        what = "no user has two windows with a prediction that can be read"
        raise UserError(what, do="observe at least twenty events of some users first")
    return maps
