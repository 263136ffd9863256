"""`PersonaTracker`: the personas of one's own users, kept live from a stream of behaviour.

It is the online half of the method (`commands.evaluate.online`) with users that come and go. A tracker lives in memory,
is used by one thread at a time, and keeps everything together: the events, each version of a persona, and the
discrepancies that it was changed for.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from deeper.behaviour.windows import WINDOW_SIZE
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration
from deeper.tracker.answers import Observed, Prediction, observed, predict_titles
from deeper.tracker.catch_up import catch_up
from deeper.tracker.corrections import corrected
from deeper.tracker.events import Event, add_events, parse_events, parse_stream, parse_titles, parse_user
from deeper.tracker.models import as_domain, fitted, identity, make_reader, read_calibration, settings_of
from deeper.tracker.store import Card, Store, given_or_saved, saved_in, saved_settings
from deeper.tracker.tracked_user import Person, Row, from_tables, to_tables
from deeper.tracker.versions import Version, versions_of

log = logging.getLogger(__name__)


class PersonaTracker:
    """Live personas of the users of one domain."""

    def __init__(
        self,
        domain: Domain | str | Path,
        *,
        policy_engine: Engine | str | None = None,
        predictor_engine: Engine | str | None = None,
        calibration: str | Path = "",
        untuned: bool = False,
        **settings: Any,
    ) -> None:
        """Start without users.

        Args:
            domain: What is rated: a built-in domain's id, the path of a domain's TOML file, or a `Domain`.
            policy_engine: Writes personas: as for `deeper evaluate`, or an engine object. Default: the small model.
            predictor_engine: Reads personas; the same choices.
            calibration: Folder of a finished run of `deeper evaluate` whose calibration is to be used. Without one,
                predictions are not calibrated until `calibrate` is called.
            untuned: Leave out the package's adapters (CC BY-NC 4.0, for research use only). By default, a role takes
                its own if you choose no engine, adapter or prompts for it (`with_shipped`).
            settings: `policy_adapter`, `predictor_adapter`, `readout`, `max_persona_tokens`, `prompts` and `seed`, as
                for `deeper evaluate`.

        Raises:
            UserError: The domain, a setting, an engine or the calibration is of no use.
        """
        engines = {"policy_engine": policy_engine, "predictor_engine": predictor_engine}
        self._settings = settings_of(engines, settings, untuned)
        policy = self._settings.policy_engine if policy_engine is None else policy_engine
        predictor = self._settings.predictor_engine if predictor_engine is None else predictor_engine
        self._reader = make_reader(self._settings, as_domain(domain), policy, predictor)
        if calibration:
            maps = read_calibration(Path(calibration), self._settings, self._reader)
            self._reader = replace(self._reader, calibration=maps)
        self._people: dict[str, Person] = {}
        self._store: Store | None = None

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        policy_engine: Engine | str | None = None,
        predictor_engine: Engine | str | None = None,
        **settings: Any,
    ) -> Self:
        """Go on with a saved tracker; its folder is held until `close`.

        Args:
            folder: Where it was saved.
            policy_engine: In place of the saved one.
            predictor_engine: The same. A calibration that was fitted for another predictor is left out, with a warning.
            settings: In place of the saved ones.

        Raises:
            UserError: There is no tracker, a file is damaged, another process holds the folder, or an engine that was
                given as an object is not given again.
        """
        saved = saved_settings(Path(folder))
        store = Store(Path(folder), saved)
        try:
            card, tables = store.read()
            engines = {
                "policy_engine": given_or_saved("policy_engine", policy_engine, saved.policy_engine),
                "predictor_engine": given_or_saved("predictor_engine", predictor_engine, saved.predictor_engine),
            }
            kept: dict[str, Any] = saved.model_dump(exclude=set(engines)) | settings
            tracker = cls(card.domain, **engines, **kept)
        except BaseException:
            store.close()
            raise
        tracker._store, tracker._people = store, from_tables(tables)
        if card.calibration.pooled is not None:
            if card.predictor == identity(tracker._settings, tracker._reader):
                tracker._reader = replace(tracker._reader, calibration=card.calibration)
            else:
                log.warning("%s: the calibration was for another predictor: call calibrate() to fit it anew", folder)
        return tracker

    @property
    def users(self) -> list[str]:
        """Everyone of whom an event is known."""
        return list(self._people)

    @property
    def calibration(self) -> Calibration:
        """The maps that are applied to predictions; none until they are given or fitted."""
        return self._reader.calibration

    def observe(self, user: str, events: Iterable[Event | Mapping[str, Any]]) -> Observed:
        """Take in a user's new events; each time a window of ten is whole, the persona is written or refined.

        Args:
            user: The id.
            events: `Event` objects, or mappings with title, rating, time and perhaps item, in any order; not earlier
                than the last one of the last whole window. Repeats of known events are left out.

        Raises:
            UserError: An event cannot be read or comes too late (then nothing of the call is kept); or an engine cannot
                work at all (then the events are kept, and whole windows are read with the next call).
        """
        name = parse_user(user)
        return self._observe({name: parse_events(name, events, self._reader.domain)})[name]

    def observe_all(self, stream: Iterable[Mapping[str, Any]]) -> dict[str, Observed]:
        """Take in new events of many users, whose windows the engine reads together.

        Args:
            stream: Mappings as for `observe` that name their user, too: rows of a file, a table or a queue.

        Returns:
            By user.

        Raises:
            UserError: As for `observe`.
        """
        return self._observe(parse_stream(stream, self._reader.domain))

    def update(self) -> dict[str, Observed]:
        """Try all whole windows again that could not be read.

        Returns:
            What has come of it, by user.
        """
        due = [person for person in self._people.values() if person.is_due]
        return self._catch_up(due, {person.user: 0 for person in due})

    def waiting(self) -> dict[str, str]:
        """Users with a whole window that is not read yet, and why; the reason is empty where it was not tried."""
        return {person.user: person.failure for person in self._people.values() if person.is_due}

    def persona(self, user: str) -> str | None:
        """The user's current persona; None before the first window is whole."""
        current = self._people.get(parse_user(user), Person("")).current
        return current["text"] if current else None

    def history(self, user: str) -> list[Version]:
        """All versions of a user's persona, with what changed and the discrepancies behind it.

        Raises:
            UserError: Nothing is known of the user.
        """
        return versions_of(self._known(user), self._reader.domain)

    def behaviour(self, user: str) -> list[Event]:
        """All events of a user, in time order.

        Raises:
            UserError: Nothing is known of the user.
        """
        return [Event(**event) for event in self._known(user).events]

    def predict(self, user: str, titles: Sequence[str]) -> Prediction:
        """Predict ratings from a user's current persona; of one without a persona, what is predicted of anyone.

        Args:
            user: The id.
            titles: Of the items.

        Raises:
            UserError: There is no title, or one is empty; or the engine cannot work at all.
        """
        return self.predict_all({user: titles})[parse_user(user)]

    def predict_all(self, titles: Mapping[str, Sequence[str]]) -> dict[str, Prediction]:
        """Predict ratings of many users, together.

        Args:
            titles: Of each user.

        Returns:
            By user.

        Raises:
            UserError: As for `predict`.
        """
        wanted = {parse_user(user): parse_titles(user, some) for user, some in titles.items()}
        if len(wanted) < len(titles):
            raise UserError("a user is there twice", where=", ".join(wanted), do="put that user's titles together")
        people = [self._people.get(user, Person(user)) for user in wanted]
        found = predict_titles(people, list(wanted.values()), self._reader)
        return dict(zip(wanted, found, strict=True))

    def correct(self, user: str, text: str) -> Version:
        """Put the user's own words in the place of the persona; what comes next refines them.

        Raises:
            UserError: There is no persona yet, or the text is empty or too long.
        """
        person = self._known(user)
        person.versions.append(corrected(person, text, self._reader))
        return versions_of(person, self._reader.domain)[-1]

    def forget(self, user: str) -> None:
        """Erase all that is known of a user, at once also in the folder that the tracker is kept in.

        Raises:
            UserError: Nothing is known of the user, or the folder cannot be written.
        """
        del self._people[self._known(user).user]
        if self._store:
            self.save()

    def calibrate(self, users: int = 32) -> None:
        """Fit the calibration on how the first personas predict the second windows; it holds from the next call on.

        Args:
            users: At most; chosen by a hash of the id.

        Raises:
            UserError: No user has two windows that were read, or no prediction of them can be read.
        """
        self._reader = replace(self._reader, calibration=fitted(self._reader, self._people, users))

    def save(self, folder: str | Path | None = None) -> None:
        """Write everything into a folder, whole or not at all; from then on the tracker is kept in it.

        Args:
            folder: A new or empty one, or the tracker's own; the tracker's own by default.

        Raises:
            UserError: The folder holds something else, another process holds it, or it cannot be written.
        """
        reader, path = self._reader, None if folder is None else Path(folder)
        card = Card(domain=reader.domain, calibration=reader.calibration, predictor=identity(self._settings, reader))
        tables = to_tables(self._people.values(), reader.domain.id)
        self._store = saved_in(self._store, path, self._settings, card, tables)

    def close(self) -> None:
        """Let others open the folder; nothing is saved by it."""
        if self._store:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        """The tracker; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _known(self, user: str) -> Person:
        name = parse_user(user)
        if name not in self._people:
            raise UserError(f"nothing is known of user {name!r}", do="observe events of that user first")
        return self._people[name]

    def _observe(self, new: Mapping[str, Sequence[Row]]) -> dict[str, Observed]:
        known: dict[str, Person] = {}
        repeated: dict[str, int] = {}
        for user, events in new.items():
            person = self._people.get(user, Person(user))
            all_events, repeated[user] = add_events(user, person.events, events, WINDOW_SIZE)
            known[user] = replace(person, events=all_events)
        self._people |= {user: person for user, person in known.items() if person.events}
        return self._catch_up(list(known.values()), repeated)

    def _catch_up(self, people: Sequence[Person], repeated: Mapping[str, int]) -> dict[str, Observed]:
        before = [len(person.versions) for person in people]
        catch_up(people, self._reader)
        domain = self._reader.domain
        return {p.user: observed(p, known, repeated[p.user], domain) for p, known in zip(people, before, strict=True)}
