"""A domain: one source of behaviour, with its item noun and its rating scale."""

import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.errors import UserError

Floats = NDArray[np.float64]
MAX_LABELS = 101


@dataclass(frozen=True)
class Scale:
    """A rating scale: equidistant values from `minimum` to `maximum`, both included."""

    minimum: float
    maximum: float
    step: float

    def __post_init__(self) -> None:
        """Refuse scales that are empty, uneven or too fine to be predicted label by label."""
        if not (all(map(math.isfinite, (self.minimum, self.maximum, self.step))) and self.step > 0):
            raise UserError("a scale needs finite numbers and a step above 0", where=repr(self))
        steps = (self.maximum - self.minimum) / self.step
        if steps < 1 or abs(steps - round(steps)) > 1e-6:
            raise UserError("the scale's range is not a whole number of steps", where=repr(self))
        if round(steps) + 1 > MAX_LABELS:
            raise UserError(f"the scale has more than {MAX_LABELS} values", where=repr(self))

    @cached_property
    def values(self) -> Floats:
        """All values of the scale, ascending; shape (labels,)."""
        count = round((self.maximum - self.minimum) / self.step) + 1
        return np.round(self.minimum + self.step * np.arange(count, dtype=np.float64), 6).astype(np.float64)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The values as people write them ("0.5", "1", "1.5"), ascending."""
        return tuple(f"{value:g}" for value in self.values)

    def index(self, ratings: Floats) -> NDArray[np.int64]:
        """Positions of ratings on the scale; a value between two steps goes to the nearer (halves up)."""
        steps = np.floor((np.asarray(ratings, np.float64) - self.minimum) / self.step + 0.5)
        return np.clip(steps, 0, len(self.values) - 1).astype(np.int64)

    def round(self, points: Floats) -> Floats:
        """The nearest values of the scale."""
        return self.values[self.index(points)]

    def contains(self, rating: float) -> bool:
        """Whether a rating is one of the scale's values (within a thousandth of a step)."""
        return math.isfinite(rating) and abs(float(self.round(np.array([rating]))[0]) - rating) <= self.step / 1000


@dataclass(frozen=True)
class Domain:
    """One source of behaviour.

    Attributes:
        id: The name that commands take.
        name: The name that people read.
        item_noun: What an item is called in a prompt ("movie", "recipe").
        scale: The rating scale.
        unrated: Ratings that mean "no rating" (Food.com 0); masked in prompts and in errors.
        aliases: Other names, such as the published folder's.
        seen: Whether the paper trained on this domain; None where the paper does not have it.
    """

    id: str
    name: str
    item_noun: str
    scale: Scale
    unrated: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    seen: bool | None = None

    def is_rated(self, ratings: Floats) -> NDArray[np.bool_]:
        """Which ratings are real ones; the same shape as `ratings`."""
        return ~np.isin(np.asarray(ratings, np.float64), self.unrated)

    def accepts(self, rating: float) -> bool:
        """Whether a rating is on the scale or means "no rating"."""
        return rating in self.unrated or self.scale.contains(rating)


def parse_domain(table: dict[str, Any], where: str) -> Domain:
    """Build a domain from a TOML table.

    Args:
        table: Keys `id`, `name`, `item_noun`, `scale` ([minimum, maximum, step]) and optionally `unrated`,
            `aliases`, `seen`.
        where: The file, for messages.

    Raises:
        UserError: A key is missing, unknown, or of the wrong kind.
    """
    required, optional = {"id", "name", "item_noun", "scale"}, {"unrated", "aliases", "seen"}
    if missing := sorted(required - table.keys()):
        raise UserError(f"the domain lacks {', '.join(missing)}", where=where, do="add the missing keys")
    if unknown := sorted(table.keys() - required - optional):
        raise UserError(f"the domain has unknown keys {', '.join(unknown)}", where=where, do="remove them")
    try:
        minimum, maximum, step = (float(number) for number in table["scale"])
        return Domain(
            id=str(table["id"]),
            name=str(table["name"]),
            item_noun=str(table["item_noun"]),
            scale=Scale(minimum, maximum, step),
            unrated=tuple(float(number) for number in table.get("unrated", ())),
            aliases=tuple(str(alias) for alias in table.get("aliases", ())),
            seen=table.get("seen"),
        )
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the domain cannot be read ({error})", where=where, do="write scale = [minimum, maximum, step]"
        ) from error


def load_domain(path: Path) -> Domain:
    """Read a domain from a TOML file.

    Raises:
        UserError: The file is missing, is no TOML, or does not describe a domain.
    """
    try:
        return parse_domain(tomllib.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"not a TOML file ({error})", where=str(path)) from error
