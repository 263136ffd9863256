"""A tracker's folder: each save is a new generation of tables, and one small file says which is the valid one.

    config.toml     settings
    tracker.json    domain, calibration, and the number of the generation; written last
    000007/         behaviour, versions, predictions, waiting, in Parquet

A save that is killed leaves the generation before it valid. The older one is deleted, so that nothing of a user that
was forgotten stays behind.
"""

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve
from deeper.tracker.settings import GIVEN, TrackerSettings
from deeper.tracker.tracked_user import SCHEMAS

CARD = "tracker.json"
LAYOUT = 1
Tables = dict[str, pa.Table]
"""By the names of `people.SCHEMAS`."""


class Card(BaseModel):
    """What a tracker knows besides its tables.

    Attributes:
        layout: Of the folder.
        domain: Of all users.
        calibration: The maps.
        predictor: What the maps were fitted for (`models.identity`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int = LAYOUT
    domain: Domain
    calibration: Calibration
    predictor: str


class SavedCard(Card):
    """The same, with the valid generation."""

    generation: int


class Store:
    """The folder that a tracker is kept in; no other process can open it until it is closed."""

    def __init__(self, path: Path, settings: TrackerSettings) -> None:
        """Open or make the folder, and hold it.

        Raises:
            UserError: It cannot be written, holds something else, or another process holds it.
        """
        self.path = path
        self._folder = RunFolder(path, settings)
        self._held = ExitStack()
        self._held.enter_context(self._folder.held())

    @property
    def holds_tracker(self) -> bool:
        """Whether a tracker was saved here."""
        return self._folder.has(CARD)

    def write(self, settings: TrackerSettings, card: Card, tables: Tables) -> None:
        """Write a new generation, and delete the others.

        Raises:
            UserError: The disk does not allow it; the generation before is valid, then.
        """
        generation = max((int(path.name) for path in self._generations()), default=0) + 1
        for name, table in tables.items():
            self._folder.write_table(f"{generation:06d}/{name}.parquet", table)
        self._folder.write_text("config.toml", settings.to_toml())
        self._folder.write_text(CARD, SavedCard(**vars(card), generation=generation).model_dump_json(indent=1) + "\n")
        self._sweep(generation)

    def read(self) -> tuple[Card, Tables]:
        """Read the valid generation, and delete what a killed save has left.

        Raises:
            UserError: A file is damaged, or of another version.
        """
        path = self.path / CARD
        try:
            card = SavedCard.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            do = "take the folder from a backup"
            raise UserError(f"the file is damaged ({error})", where=str(path), do=do) from error
        if card.layout != LAYOUT:
            do = "use the version of deeper that saved it"
            raise UserError(f"the tracker was saved in layout {card.layout}", where=str(path), do=do)
        self._sweep(card.generation)
        tables = {
            name: self._folder.read_table(f"{card.generation:06d}/{name}.parquet", schema)
            for name, schema in SCHEMAS.items()
        }
        return card, tables

    def close(self) -> None:
        """Let others open the folder."""
        self._held.close()

    def _sweep(self, generation: int) -> None:
        for path in self._generations():
            if int(path.name) != generation:
                self._folder.remove(path.name)

    def _generations(self) -> list[Path]:
        return [path for path in self.path.iterdir() if path.is_dir() and path.name.isdecimal()]


def new_store(path: Path, settings: TrackerSettings) -> Store:
    """A folder that holds no tracker yet.

    Raises:
        UserError: It holds one, or something else, or cannot be written.
    """
    store = Store(path, settings)
    if store.holds_tracker:
        store.close()
        do = "go on with it (PersonaTracker.load), or choose another folder"
        raise UserError("the folder holds a tracker already", where=str(path), do=do)
    return store


def saved_in(store: Store | None, path: Path | None, settings: TrackerSettings, card: Card, tables: Tables) -> Store:
    """Save a tracker where it is kept, or in another folder, which it is kept in from then on.

    Args:
        store: Where it is kept; None if nowhere yet.
        path: The folder; where it is kept by default.
        settings: The tracker's.
        card: What it knows besides its tables.
        tables: By name.

    Returns:
        Where it is kept now; the other is closed.

    Raises:
        UserError: There is no folder, it holds something else or is held, or it cannot be written.
    """
    if path is None or (store and path.resolve() == store.path.resolve()):
        if store is None:
            raise UserError("the tracker is in no folder yet", do="name one: tracker.save(folder)")
        store.write(settings, card, tables)
        return store
    moved = new_store(path, settings)
    try:
        moved.write(settings, card, tables)
    except BaseException:
        moved.close()
        raise
    if store:
        store.close()
    return moved


def given_or_saved(name: str, given: Engine | str | None, saved: str) -> Engine | str:
    """The engine to go on with.

    Raises:
        UserError: The saved one was an object, and none is given.
    """
    if given is None and saved == GIVEN:
        do = f"give it again: PersonaTracker.load(folder, {name}=…)"
        raise UserError("the saved engine was an object, which no file holds", where=name, do=do)
    return given if given is not None else saved


def saved_settings(path: Path) -> TrackerSettings:
    """The settings of a saved tracker.

    Raises:
        UserError: There is none, or they cannot be read.
    """
    if not (path / CARD).is_file():
        raise UserError("there is no saved tracker", where=str(path), do="give the folder of one, or save one first")
    return resolve(TrackerSettings, path / "config.toml", {})
