"""The models of a tracker, and whether a calibration is theirs."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from deeper.behaviour.splits import some_of_each_domain
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.shipped import licence_note, with_shipped
from deeper.domains import Domain, find_domain, load_domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration, fit_calibration
from deeper.persona.predict import predict_row
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.write import Writer
from deeper.storage.settings import resolve
from deeper.tracker.catch_up import Reader
from deeper.tracker.settings import GIVEN, TrackerSettings
from deeper.tracker.tracked_user import Person

log = logging.getLogger(__name__)

AGAIN = "give the folder of a finished run of deeper evaluate"


def as_domain(domain: Domain | str | Path) -> Domain:
    """The domain of a name, of a file, or as it is.

    Raises:
        UserError: There is none of that name, or the file does not describe one.
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
    if note := licence_note(found):
        log.info(note)
    return found


def make_reader(settings: TrackerSettings, domain: Domain, policy: Engine | str, predictor: Engine | str) -> Reader:
    """The predictor, with the policy beside it; not calibrated.

    Args:
        settings: What to ask, and how.
        domain: Of all users.
        policy: Writes personas; an engine, or what `make_engine` makes one of.
        predictor: Reads them.

    Raises:
        UserError: An engine cannot be made, or an adapter does not fit.
    """
    prompts = load_prompts(Path(settings.prompts) if settings.prompts else None)
    asked = {"policy": (policy, settings.policy_adapter), "predictor": (predictor, settings.predictor_adapter)}
    for role, (engine, adapter) in asked.items():
        if adapter and not isinstance(engine, str):
            do = "make the engine with it"
            raise UserError(f"the {role}_engine is made already and takes no adapter", where=adapter, do=do)
    specs = {role: (engine, adapter) for role, (engine, adapter) in asked.items() if isinstance(engine, str)}
    engines = {role: engine for role, (engine, _) in asked.items() if not isinstance(engine, str)}
    engines |= make_engines(cast(Any, specs), prompts)
    writer = Writer(engines["policy"], prompts, settings.max_persona_tokens, settings.seed)
    return Reader(engines["predictor"], writer, settings.readout, Calibration({}, None), domain)


def identity(settings: TrackerSettings, reader: Reader) -> str:
    """What a calibration belongs to: predictor, readout and prompts; the same on another machine."""
    engine = reader.engine.fingerprint if settings.predictor_engine == GIVEN else settings.predictor_engine
    return json.dumps([engine, settings.predictor_adapter, settings.readout, reader.writer.prompts.reading_version])


def read_calibration(run: Path, settings: TrackerSettings, reader: Reader) -> Calibration:
    """The calibration that a run of `deeper evaluate` has fitted.

    Args:
        run: Its folder.
        settings: The tracker's.
        reader: The predictor that is to be calibrated.

    Raises:
        UserError: The run is not finished, was not calibrated, or had another predictor, readout or prompts.
    """
    given = settings.predictor_engine == GIVEN
    try:
        manifest = json.loads((run / "manifest.json").read_bytes())
        calibration = TypeAdapter(Calibration).validate_json((run / "calibration.json").read_bytes())
        theirs = {
            "predictor": manifest["engines"]["predictor"] if given else manifest["config"]["predictor_engine"],
            "predictor_adapter": manifest["config"]["predictor_adapter"],
            "readout": manifest["config"]["readout"],
            "prompts": manifest["prompt_version"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"there is no calibration that can be read ({error})", where=str(run), do=AGAIN) from error
    ours = {
        "predictor": reader.engine.fingerprint if given else settings.predictor_engine,
        "predictor_adapter": settings.predictor_adapter,
        "readout": settings.readout,
        "prompts": reader.writer.prompts.version,
    }
    if other := [f"{name} = {theirs[name]!r} (here {ours[name]!r})" for name in ours if theirs[name] != ours[name]]:
        do = "use the same, or call calibrate() once users have two windows"
        raise UserError(f"the run was made with another predictor: {'; '.join(other)}", where=str(run), do=do)
    found = calibration.domains.get(reader.domain.id)
    if found is None and calibration.pooled is None:
        raise UserError("the run was not calibrated", where=str(run), do="give a run with --calibration on")
    if found is not None and len(found.base) != len(reader.domain.scale.values):
        raise UserError(f"the run's {reader.domain.id} has another scale", where=str(run), do=AGAIN)
    return calibration


def fitted(reader: Reader, people: Mapping[str, Person], users: int) -> Calibration:
    """The calibration on users of one's own: how their S_0 predict their W_1.

    Args:
        reader: The predictor.
        people: By user.
        users: At most; chosen by a hash of the id.

    Raises:
        UserError: No user has two windows and a first persona, or no prediction can be read.
    """
    domain = reader.domain
    able = {(domain.id, p.user): p.windows for p in people.values() if p.versions and len(p.windows) > 1}
    chosen = some_of_each_domain(able, users)
    rows = [predict_row(people[user].versions[0], {1: able[domain.id, user][1]}) for _, user in chosen]
    maps = fit_calibration(reader.read_raw(rows), able, {domain.id: domain})
    if maps.pooled is None:
        what = "no user has two windows whose prediction can be read"
        raise UserError(what, do="observe twenty events of some users first")
    return maps
