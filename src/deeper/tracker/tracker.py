"""`PersonaTracker`: live personas of your own users, from a stream of behaviour.

It runs the online half of the method for users that come and go. A tracker lives in memory. It keeps the events, each
version of a persona, and the discrepancies behind each change. Use it from one thread at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from deeper.behaviour.recipe import RECIPE
from deeper.commands.execution.shipped import without_shipped
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration
from deeper.tracker.answers import Observed, Prediction, observed, predict_titles
from deeper.tracker.catch_up import catch_up
from deeper.tracker.corrections import corrected
from deeper.tracker.events import Event, Events, add_events, parse_events, parse_stream, parse_titles, parse_user
from deeper.tracker.models import as_domain, fitted, identity, make_models, read_calibration, settings_of, with_saved
from deeper.tracker.store import Store, TrackerState, given_or_saved, saved_in, saved_settings
from deeper.tracker.tracked_user import Row, TrackedUser, from_tables, to_tables
from deeper.tracker.versions import Version, versions_of


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
        """Make a tracker without users.

        Args:
            domain: A built-in domain's id, the path of a domain's TOML file, or a `Domain`.
            policy_engine: Writes personas: an `Engine` or its name; the embedded small model by default.
            predictor_engine: Reads personas and predicts ratings; the same choices.
            calibration: Folder of a finished run of `deeper evaluate`, to use its calibration. Without one,
                predictions are not calibrated until you call `calibrate`.
            untuned: Leave out the package's adapters (CC BY-NC 4.0, for research use only). By default, a role takes
                its own if you choose no engine, adapter or prompts for it (`with_shipped`).
            settings: `policy_adapter`, `predictor_adapter`, `policy_server`, `predictor_server`, `precision`,
                `readout`, `item_knowledge`, `evidence`, `max_persona_tokens`, `prompts` and `seed` of `deeper
                evaluate`; `updater`: one of your own.

        Raises:
            UserError: The domain, a setting, an engine or the calibration cannot be used.
        """
        engines = {"policy_engine": policy_engine, "predictor_engine": predictor_engine}
        self._settings = settings_of(engines, settings, untuned)
        policy = self._settings.policy_engine if policy_engine is None else policy_engine
        predictor = self._settings.predictor_engine if predictor_engine is None else predictor_engine
        self._users: dict[str, TrackedUser] = {}
        self._models = make_models(self._settings, as_domain(domain), policy, predictor, self._users)
        if calibration:
            maps = read_calibration(Path(calibration), self._settings, self._models)
            self._models = replace(self._models, calibration=maps)
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
        """Load a saved tracker. Its folder is locked until `close`.

        Args:
            folder: The folder of the tracker.
            policy_engine: Replaces the saved one. An adapter of the package then serves this role no longer.
            predictor_engine: Replaces the saved one. A calibration for another predictor is dropped with a warning.
            settings: Replace the saved ones.

        Raises:
            UserError: The folder has no tracker, a file is damaged, another process has locked the folder, or an engine
                that was an object is not given again.
        """
        saved = saved_settings(Path(folder))
        store = Store(Path(folder), saved)
        try:
            state, tables = store.read()
            given = {"policy": policy_engine, "predictor": predictor_engine}
            engines = {f"{role}_engine": given_or_saved(saved, role, engine) for role, engine in given.items()}
            kept = without_shipped(saved, [role for role, engine in given.items() if engine is not None])
            tracker = cls(state.domain, **engines, **kept.model_dump(exclude=set(engines)) | settings)
        except BaseException:
            store.close()
            raise
        tracker._store = store
        tracker._users |= from_tables(tables)
        if state.calibration.pooled is not None:
            tracker._models = with_saved(state.calibration, state.predictor, tracker._settings, tracker._models)
        return tracker

    @property
    def users(self) -> list[str]:
        """The ids of all users with at least one event."""
        return list(self._users)

    @property
    def calibration(self) -> Calibration:
        """The maps that are applied to predictions; empty until they are read or fitted."""
        return self._models.calibration

    def observe(self, user: str, events: Events) -> Observed:
        """Add a user's new events. Each full window of ten events writes or refines the persona.

        Args:
            user: The user's id.
            events: `Event` objects, mappings with their fields, a data frame or an Arrow table; in any order. None may
                be earlier than the last full window. Exact repeats are left out.

        Raises:
            UserError: An event cannot be read or is too early; then nothing of the call is kept. Or an engine cannot
                work at all; then the events are kept, and the next call processes the full windows.
        """
        name = parse_user(user)
        return self._observe({name: parse_events(name, events, self._models.domain)})[name]

    def observe_all(self, stream: Events) -> dict[str, Observed]:
        """Add new events of many users. The engines process their windows in common batches.

        Args:
            stream: Mappings, a data frame or an Arrow table as for `observe`, with user as a key or column.

        Returns:
            The result for each user.

        Raises:
            UserError: As for `observe`.
        """
        return self._observe(parse_stream(stream, self._models.domain))

    def update(self) -> dict[str, Observed]:
        """Try again all full windows that have no persona yet.

        Returns:
            The result for each of their users.
        """
        due = [tracked for tracked in self._users.values() if tracked.is_due]
        return self._catch_up(due, {tracked.user: 0 for tracked in due})

    def waiting(self) -> dict[str, str]:
        """Return users with a full window that has no persona yet, and why; the reason is empty if it was not tried."""
        return {tracked.user: tracked.failure for tracked in self._users.values() if tracked.is_due}

    def persona(self, user: str) -> str | None:
        """Return the user's current persona; None before the first window is full."""
        current = self._users.get(parse_user(user), TrackedUser("")).current
        return current["text"] if current else None

    def history(self, user: str) -> list[Version]:
        """Return all versions of a user's persona, with the changes and the discrepancies behind them.

        Raises:
            UserError: The tracker does not know the user.
        """
        return versions_of(self._known(user), self._models.domain)

    def behaviour(self, user: str) -> list[Event]:
        """Return all events of a user, in time order.

        Raises:
            UserError: The tracker does not know the user.
        """
        return self._known(user).observed

    def predict(self, user: str, titles: Sequence[str]) -> Prediction:
        """Predict ratings from a user's current persona, or from an empty one if there is none yet.

        Args:
            user: The user's id.
            titles: The items' titles.

        Raises:
            UserError: There is no title, a title is empty, or the engine cannot work at all.
        """
        return self.predict_all({user: titles})[parse_user(user)]

    def predict_all(self, titles: Mapping[str, Sequence[str]]) -> dict[str, Prediction]:
        """Predict ratings of many users in common batches.

        Args:
            titles: The items' titles for each user.

        Returns:
            The prediction for each user.

        Raises:
            UserError: As for `predict`.
        """
        titles_by_user = {parse_user(user): parse_titles(user, of_user) for user, of_user in titles.items()}
        if len(titles_by_user) < len(titles):
            raise UserError(
                "a user is given twice", where=", ".join(titles_by_user), do="put all titles of that user into one list"
            )
        users = [self._users.get(user, TrackedUser(user)) for user in titles_by_user]
        predictions = predict_titles(users, list(titles_by_user.values()), self._models)
        return dict(zip(titles_by_user, predictions, strict=True))

    def correct(self, user: str, text: str) -> Version:
        """Replace the persona by the user's own words. Later windows refine them.

        Raises:
            UserError: There is no persona yet, or the text is empty or too long.
        """
        tracked = self._known(user)
        tracked.versions.append(corrected(tracked, text, self._models))
        return versions_of(tracked, self._models.domain)[-1]

    def forget(self, user: str) -> None:
        """Erase a user from memory and, at once, from the tracker's folder if it has one.

        Raises:
            UserError: The tracker does not know the user, or the folder cannot be written.
        """
        del self._users[self._known(user).user]
        self._models.forget()
        if self._store:
            self.save()

    def calibrate(self, users: int = 32) -> None:
        """Fit the calibration on how first personas predict second windows. It applies from the next call on.

        Args:
            users: How many users to use at most; a hash of the id chooses them.

        Raises:
            UserError: No user has a first persona and two windows, or no prediction can be read.
        """
        self._models = replace(self._models, calibration=fitted(self._models, self._users, users))

    def save(self, folder: str | Path | None = None) -> None:
        """Save the tracker in a folder, completely or not at all. The folder is the tracker's own from then on.

        Args:
            folder: A new or empty folder; None takes the tracker's own.

        Raises:
            UserError: The folder holds something else, is locked by another process, or cannot be written.
        """
        models, path = self._models, None if folder is None else Path(folder)
        predictor = identity(self._settings, models)
        state = TrackerState(domain=models.domain, calibration=models.calibration, predictor=predictor)
        tables = to_tables(self._users.values(), models.domain.id)
        self._store = saved_in(self._store, path, self._settings, state, tables)

    def close(self) -> None:
        """Unlock the folder. This saves nothing."""
        if self._store:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        """Return the tracker; the end of the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _known(self, user: str) -> TrackedUser:
        name = parse_user(user)
        if name not in self._users:
            raise UserError(f"the tracker does not know the user {name!r}", do="observe events of that user first")
        return self._users[name]

    def _observe(self, new: Mapping[str, Sequence[Row]]) -> dict[str, Observed]:
        known: dict[str, TrackedUser] = {}
        repeated: dict[str, int] = {}
        for user, events in new.items():
            tracked = self._users.get(user, TrackedUser(user))
            all_events, repeated[user] = add_events(user, tracked.events, events, RECIPE.window_size)
            known[user] = replace(tracked, events=all_events)
        self._users |= {user: tracked for user, tracked in known.items() if tracked.events}
        return self._catch_up(list(known.values()), repeated)

    def _catch_up(self, users: Sequence[TrackedUser], repeated: Mapping[str, int]) -> dict[str, Observed]:
        before = [len(tracked.versions) for tracked in users]
        catch_up(users, self._models)
        return {
            tracked.user: observed(tracked, known, repeated[tracked.user], self._models.domain)
            for tracked, known in zip(users, before, strict=True)
        }
