"""A tracker's folder: each save writes a new generation of tables, and one small file names the valid generation.

    config.toml     settings
    tracker.json    domain, calibration, and the number of the generation; written last
    000007/         behaviour, versions, predictions, waiting, in Parquet

If a save is killed, the generation before it stays valid. A complete save deletes older generations, so nothing of a
forgotten user stays on the disk.
"""

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from deeper.behaviour.schema import BEHAVIOUR, CATEGORIES
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration
from deeper.storage.layout import CONFIG_FILE
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve
from deeper.tracker.settings import GIVEN, TrackerSettings
from deeper.tracker.tracked_user import SCHEMAS

STATE_FILE = "tracker.json"
LAYOUT = 2
"""Raise it when a saved tracker cannot be read by older code; it is stored in `tracker.json`."""
WITHOUT_CATEGORIES = 1
"""The layout before behaviour had categories; it is still read."""
Tables = dict[str, pa.Table]
"""Tables by the names in `tracked_user.SCHEMAS`."""


class TrackerState(BaseModel):
    """What a tracker saves besides its tables.

    Attributes:
        layout: The folder's layout, `LAYOUT`.
        domain: The domain of all users.
        calibration: The calibration maps.
        predictor: The predictor that they were fitted for (`models.identity`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int = LAYOUT
    domain: Domain
    calibration: Calibration
    predictor: str


class SavedState(TrackerState):
    """The state with the number of the valid generation."""

    generation: int


class Store:
    """The folder of a tracker. No other process can open it until it is closed."""

    def __init__(self, path: Path, settings: TrackerSettings) -> None:
        """Open or make the folder, and lock it.

        Raises:
            UserError: The folder cannot be written, holds something else, or is locked by another process.
        """
        self.path = path
        self._folder = RunFolder(path, settings)
        self._held = ExitStack()
        self._held.enter_context(self._folder.held())

    @property
    def holds_tracker(self) -> bool:
        """Whether the folder has a saved tracker."""
        return self._folder.has(STATE_FILE)

    def write(self, settings: TrackerSettings, state: TrackerState, tables: Tables) -> None:
        """Write a new generation, then delete the others.

        Raises:
            UserError: The files cannot be written; then the generation before stays valid.
        """
        generation = max((int(path.name) for path in self._generations()), default=0) + 1
        for name, table in tables.items():
            self._folder.write_table(f"{generation:06d}/{name}.parquet", table)
        self._folder.write_text(CONFIG_FILE, settings.to_toml())
        saved = SavedState(**vars(state), generation=generation)
        self._folder.write_text(STATE_FILE, saved.model_dump_json(indent=1) + "\n")
        self._sweep(generation)

    def read(self) -> tuple[TrackerState, Tables]:
        """Read the valid generation, and delete what a killed save left.

        Raises:
            UserError: A file is damaged, or was saved in another layout.
        """
        path = self.path / STATE_FILE
        try:
            state = SavedState.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            do = "restore the folder from a backup"
            raise UserError(f"the file is damaged ({error})", where=str(path), do=do) from error
        if state.layout not in (WITHOUT_CATEGORIES, LAYOUT):
            do = "use the version of deeper that saved it"
            raise UserError(f"the tracker was saved in layout {state.layout}", where=str(path), do=do)
        self._sweep(state.generation)
        schemas = dict(SCHEMAS)
        place = BEHAVIOUR.get_field_index("categories")
        if state.layout == WITHOUT_CATEGORIES:
            schemas["behaviour"] = BEHAVIOUR.remove(place)
        tables = {
            name: self._folder.read_table(f"{state.generation:06d}/{name}.parquet", schema)
            for name, schema in schemas.items()
        }
        if state.layout == WITHOUT_CATEGORIES:
            none = pa.array([[]] * tables["behaviour"].num_rows, CATEGORIES)
            tables["behaviour"] = tables["behaviour"].add_column(place, BEHAVIOUR.field(place), none)
        return state, tables

    def close(self) -> None:
        """Unlock the folder."""
        self._held.close()

    def _sweep(self, generation: int) -> None:
        for path in self._generations():
            if int(path.name) != generation:
                self._folder.remove(path.name)

    def _generations(self) -> list[Path]:
        return [path for path in self.path.iterdir() if path.is_dir() and path.name.isdecimal()]


def new_store(path: Path, settings: TrackerSettings) -> Store:
    """Open a folder for a tracker that was not saved in it yet.

    Raises:
        UserError: The folder holds a tracker or something else, or cannot be written.
    """
    store = Store(path, settings)
    if store.holds_tracker:
        store.close()
        do = "load it with PersonaTracker.load, or choose another folder"
        raise UserError("the folder holds a tracker already", where=str(path), do=do)
    return store


def saved_in(
    store: Store | None, path: Path | None, settings: TrackerSettings, state: TrackerState, tables: Tables
) -> Store:
    """Save a tracker in its folder, or move it to another one.

    Args:
        store: The tracker's folder; None if it has none yet.
        path: The folder to save in; None takes the tracker's own.
        settings: The tracker's settings.
        state: What is saved besides the tables.
        tables: The tables by name.

    Returns:
        The tracker's folder from now on. The former one is closed.

    Raises:
        UserError: No folder was named, it holds something else, it is locked, or it cannot be written.
    """
    if path is None or (store and path.resolve() == store.path.resolve()):
        if store is None:
            raise UserError("the tracker has no folder yet", do="name one: tracker.save(folder)")
        store.write(settings, state, tables)
        return store
    moved = new_store(path, settings)
    try:
        moved.write(settings, state, tables)
    except BaseException:
        moved.close()
        raise
    if store:
        store.close()
    return moved


def given_or_saved(saved: TrackerSettings, role: str, given: Engine | str | None) -> Engine | str:
    """Return the given engine of a role, or else the saved one.

    Raises:
        UserError: The saved engine was an object, and none is given.
    """
    name = f"{role}_engine"
    found: Engine | str = getattr(saved, name) if given is None else given
    if found == GIVEN:
        do = f"give it again: PersonaTracker.load(folder, {name}=…)"
        raise UserError("the saved engine was an object, which no file can hold", where=name, do=do)
    return found


def saved_settings(path: Path) -> TrackerSettings:
    """Return the settings of a saved tracker.

    Raises:
        UserError: The folder has no saved tracker, or its settings cannot be read.
    """
    if not (path / STATE_FILE).is_file():
        raise UserError(
            "there is no saved tracker", where=str(path), do="give the folder of a saved tracker, or save one first"
        )
    return resolve(TrackerSettings, path / CONFIG_FILE, {})
