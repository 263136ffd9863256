"""A domain: one source of behaviour, with its item noun and its rating scale."""

import math
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deeper.errors import UserError

Floats = NDArray[np.float64]
MAX_LABELS = 101
MAX_MAGNITUDE = 1e30


@dataclass(frozen=True)
class Scale:
    """A rating scale: equally spaced values from `minimum` to `maximum`, both included."""

    minimum: float
    maximum: float
    step: float

    def __post_init__(self) -> None:
        """Refuse scales that are empty, uneven or too fine to be predicted label by label."""
        where = repr(self)
        if not (all(map(math.isfinite, (self.minimum, self.maximum, self.step))) and self.step > 0):
            raise UserError("a scale needs finite numbers and a step above 0", where=where, do="correct the numbers")
        steps = (self.maximum - self.minimum) / self.step
        if steps < 1 or abs(steps - round(steps)) > 1e-6:
            raise UserError(
                "the scale's range is not a whole number of steps", where=where, do="choose another maximum or step"
            )
        if round(steps) + 1 > MAX_LABELS:
            raise UserError(f"the scale has more than {MAX_LABELS} values", where=where, do="choose a larger step")
        if len(set(self.labels)) < len(self.labels) or any("e" in label for label in self.labels):
            raise UserError("the scale's values differ only after six digits", where=where, do="choose a larger step")

    @cached_property
    def values(self) -> Floats:
        """Return all values of the scale, ascending; shape (labels,)."""
        count = round((self.maximum - self.minimum) / self.step) + 1
        return np.round(self.minimum + self.step * np.arange(count, dtype=np.float64), 6).astype(np.float64)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return the values as text ("0.5", "1", "1.5"), ascending."""
        return tuple(f"{value:g}" for value in self.values)

    def index(self, ratings: Floats) -> NDArray[np.int64]:
        """Return the positions of the nearest values on the scale; ties go up."""
        steps = np.floor((np.asarray(ratings, np.float64) - self.minimum) / self.step + 0.5)
        return np.clip(steps, 0, len(self.values) - 1).astype(np.int64)

    def round(self, points: Floats) -> Floats:
        """Return the nearest values of the scale."""
        return self.values[self.index(points)]

    def contains(self, rating: float) -> bool:
        """Return whether a rating is a value of the scale, within a thousandth of a step or float32 precision."""
        if not math.isfinite(rating):
            return False
        nearest = self.round(np.array([rating]))[0]
        return bool(abs(nearest - rating) <= max(self.step / 1000, np.spacing(np.float32(abs(nearest)))))


@dataclass(frozen=True)
class Domain:
    """One source of behaviour.

    Attributes:
        id: Name in commands and tables.
        name: Name in reports.
        item_noun: What an item is called in a prompt ("movie", "recipe").
        scale: The rating scale.
        unrated: Ratings that mean "no rating" (Food.com 0); masked in prompts and errors.
        aliases: Other names, such as that of the published folder.
        seen: Whether the paper trained on this domain; None if the paper does not use it.
        between: Whether ratings may lie between the scale's values (a slider). Predictions are always values of the
            scale.
    """

    id: str
    name: str
    item_noun: str
    scale: Scale
    unrated: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    seen: bool | None = None
    # Not in the repr, which identifies the domain in stages: it shapes what is read, not what is predicted.
    between: bool = field(default=False, repr=False)

    def is_rated(self, ratings: Floats) -> NDArray[np.bool_]:
        """Return which ratings are real, in the shape of `ratings`; compared in float32, the type in tables."""
        if not self.unrated:
            return np.full(np.shape(ratings), True)
        with np.errstate(over="ignore"):
            return ~np.isin(np.asarray(ratings).astype(np.float32), np.array(self.unrated, np.float32))

    def accepts(self, rating: float) -> bool:
        """Return whether a rating is on the scale, lies between its values if that is allowed, or means "no rating"."""
        is_within = self.between and self.scale.minimum <= rating <= self.scale.maximum
        return not self.is_rated(np.array([rating]))[0] or is_within or self.scale.contains(rating)


def parse_domain(table: dict[str, Any], where: str) -> Domain:
    """Build a domain from a TOML table.

    Args:
        table: Keys `id`, `name`, `item_noun`, `scale` ([minimum, maximum, step]) and optionally `unrated`,
            `aliases`, `seen`, `between`.
        where: The file, for messages.

    Raises:
        UserError: A key is missing, unknown, or of the wrong type; the id is not a plain word, or begins with "mean",
            which is the name of means over domains; or the scale's values cannot be written as labels.
    """
    required, optional = {"id", "name", "item_noun", "scale"}, {"unrated", "aliases", "seen", "between"}
    if missing := sorted(required - table.keys()):
        raise UserError(f"the domain lacks {', '.join(missing)}", where=where, do="add the missing keys")
    if unknown := sorted(table.keys() - required - optional):
        raise UserError(f"the domain has unknown keys {', '.join(unknown)}", where=where, do="remove them")
    _check_words(table, where)
    scale = _numbers(table["scale"], f"{where}, scale")
    unrated = _numbers(table.get("unrated", []), f"{where}, unrated")
    try:
        minimum, maximum, step = scale
        return Domain(
            id=table["id"],
            name=table["name"],
            item_noun=table["item_noun"],
            scale=Scale(minimum, maximum, step),
            unrated=tuple(unrated),
            aliases=tuple(str(alias) for alias in table.get("aliases", ())),
            seen=table.get("seen"),
            between=table.get("between", False),
        )
    except UserError as error:
        raise UserError(
            f"{error.what} ({table['scale']})", where=f"{where}, scale", do="write scale = [minimum, maximum, step]"
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"the domain cannot be read ({error})", where=where, do="write scale = [minimum, maximum, step]"
        ) from error


def _numbers(value: object, where: str) -> list[float]:
    """The numbers of a list, which must all be finite."""
    values = cast(list[object], value) if isinstance(value, list) else [None]
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(values) or not all(abs(number) < MAX_MAGNITUDE for number in numbers):
        raise UserError(
            f"{str(value)[:80]!r} is not a list of numbers", where=where, do="write numbers in square brackets"
        )
    return [float(number) for number in numbers]


def _check_words(table: dict[str, Any], where: str) -> None:
    """Refuse texts that would break a command, a table or a prompt."""
    if not (isinstance(table["id"], str) and re.fullmatch("[a-z0-9_]+", table["id"])):
        raise UserError(
            f"the domain's id {table['id']!r} is not a plain word",
            where=f"{where}, id",
            do="use only lower-case letters, digits and underscores",
        )
    if table["id"].startswith("mean"):
        raise UserError(
            f"the domain's id {table['id']!r} begins with 'mean', the name of means over domains",
            where=f"{where}, id",
            do="choose another id",
        )
    for key in ("name", "item_noun"):
        value = table[key]
        if not (isinstance(value, str) and value.strip() and value.isprintable()):
            raise UserError(
                f"the domain's {key} {value!r} is not one line of text", where=f"{where}, {key}", do="write one line"
            )
    for key in ("seen", "between"):
        if not isinstance(table.get(key), bool | None):
            raise UserError(
                f"the domain's {key} is {table[key]!r}",
                where=f"{where}, {key}",
                do="write true or false, or leave it out",
            )


def load_domain(path: Path) -> Domain:
    """Read a domain from a TOML file.

    Raises:
        UserError: The file is missing, is not TOML, or does not describe a domain.
    """
    try:
        return parse_domain(tomllib.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=str(path), do="check the path") from error
    except (ValueError, RecursionError, OSError) as error:
        raise UserError(f"not a TOML file ({error})", where=str(path), do="correct the file") from error
