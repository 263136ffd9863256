"""What a predictor is trained and judged on: a persona of some kind, and ratings that came after it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain, Scale
from deeper.errors import UserError
from deeper.learning.describer.describe import describe, level_only
from deeper.learning.describer.facts import Facts
from deeper.learning.describer.later_windows import evolved
from deeper.learning.examples.item_evidence import Items
from deeper.learning.examples.moments import Moment, Person, draw, moments
from deeper.persona.prompts.item_lines import quote
from deeper.persona.schema import PERSONA
from deeper.persona.updaters import Window
from deeper.storage.parquet import read_parquet

if TYPE_CHECKING:
    from deeper.learning.examples.usual_ratings import Case

Floats = NDArray[np.float64]
Kind = Literal["describer", "level_only", "unknown", "policy"]

SHARES: Mapping[Kind, float] = {"policy": 0.4, "describer": 0.3, "level_only": 0.22, "unknown": 0.08}
"""Of the kinds of personas. A policy's own are what is read in the end, so that they are the largest share where there
are any. The describer's say most; the verdict alone keeps it from being drowned by the rest; and an empty persona
must stand for the average user, which needs few examples, being one and the same text. Without a policy's personas
the others keep their proportions."""
ITEMS = 8
"""Items of a reading that is learnt from, drawn from its window. Three tell as much of a persona; which titles are
liked is learnt from many."""
FURTHER = 0.2
"""Share of examples whose target lies one window further ahead: a persona must hold for longer than ten items."""
UNWRITTEN = ("no_persona", "history_only", "raw_history")
"""Methods in a table of personas that are controls and no personas."""

NEEDED = ("user", "domain", "k", "text")

PolicyTexts = Mapping[tuple[str, str, int], Sequence[str]]
"""Personas that policies wrote, by (domain, user, k)."""


@dataclass(frozen=True)
class Reading:
    """A persona and ratings to be predicted from it.

    Attributes:
        domain: The domain.
        user: The user's id.
        kind: What kind of persona it is.
        persona: Its text; empty if nothing is known.
        titles: Titles of the rated items of the target window.
        ratings: Their ratings.
        median: Median of the user's ratings up to W_k: what a prediction without language would say.
        usual: How users rate of whom the same is known (`deeper.learning.examples.usual_ratings`); shape (items,
            labels); None in readings that are judged and not learnt from.
    """

    domain: Domain
    user: str
    kind: Kind
    persona: str
    titles: tuple[str, ...]
    ratings: tuple[float, ...]
    median: float
    usual: Floats | None = field(default=None, compare=False)


def soft_labels(ratings: Sequence[float], scale: Scale) -> Floats:
    """Ratings as distributions: all on the label, or split between its two neighbours in proportion.

    Args:
        ratings: Real ratings; shape (items,).
        scale: The scale.

    Returns:
        Shape (items, labels).
    """
    last = len(scale.values) - 1
    places = np.clip((np.array(ratings, np.float64) - scale.minimum) / scale.step, 0, last).round(3)
    lower = np.floor(places).astype(np.int64)
    shares = np.zeros((len(places), last + 1))
    rows = np.arange(len(places))
    shares[rows, lower] = 1 - (places - lower)
    shares[rows, np.minimum(lower + 1, last)] += places - lower
    return shares


def training_readings(
    people: Sequence[Person], texts: PolicyTexts, count: int, seed: int
) -> tuple[list[Reading], Counter[str]]:
    """Readings to train on.

    Args:
        people: Train users.
        texts: Personas that policies wrote of them, if any.
        count: How many.
        seed: Seed of all choices and phrasings.

    Returns:
        The readings, and how many there are of each kind and of each domain.

    Raises:
        UserError: No window that follows another has a rating.
    """
    found = {domain: [m for m in ms if _rated(m, 1)[0]] for domain, ms in moments(people).items()}
    found = {domain: ms for domain, ms in found.items() if ms}
    if not found:
        raise UserError("no train user has a rated window after another", do="give data of longer histories")
    readings = list(islice(_readings(found, texts, seed), count))
    return readings, Counter(name for reading in readings for name in (reading.kind, reading.domain.id))


def validation_readings(chosen: Sequence[Moment], texts: PolicyTexts, seed: int) -> list[Reading]:
    """One reading of a describer's persona for each moment, and one for each policy's persona of it."""
    readings: list[Reading] = []
    for moment in chosen:
        if not _rated(moment, 1)[0]:
            continue
        known = evolved(_seen(moment), moment.person.domain)
        readings.append(_reading(moment, "describer", _describe(moment, known, seed), 1))
        key = (moment.person.domain.id, moment.person.user, moment.k)
        readings += [_reading(moment, "policy", text, 1) for text in texts.get(key, ())]
    return readings


def read_personas(paths: Sequence[Path]) -> PolicyTexts:
    """Final personas out of Parquet files with the columns user, domain, k and text of `PERSONA`.

    Raises:
        UserError: A file cannot be read or lacks a column.
    """
    texts: dict[tuple[str, str, int], list[str]] = {}
    for path in paths:
        do = "give a Parquet file of personas, such as personas.parquet of a run"
        try:
            table = read_parquet(path)
            if missing := [name for name in NEEDED if name not in table.column_names]:
                raise UserError(f"the table lacks {', '.join(missing)}", where=str(path), do="give a table of personas")
            table = table.select([name for name in PERSONA.names if name in table.column_names])
            table = table.cast(pa.schema([PERSONA.field(name).with_nullable(True) for name in table.column_names]))
            table.validate(full=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(f"not a table of personas that can be read ({error})", where=str(path), do=do) from error
        for row in table.to_pylist():
            if any(row[name] is None for name in NEEDED):
                raise UserError("a persona has no user, domain, k or text", where=str(path), do="remove the row")
            if _is_written(row):
                known = texts.setdefault((row["domain"], row["user"], row["k"]), [])
                if row["text"] not in known:
                    known.append(row["text"])
    return texts


def _is_written(row: Mapping[str, Any]) -> bool:
    final = row.get("stage", "final") == "final" and not row.get("failure")
    return final and row.get("method") not in UNWRITTEN and bool(row["text"])


def _readings(found: Mapping[str, Sequence[Moment]], texts: PolicyTexts, seed: int) -> Iterator[Reading]:
    from deeper.learning.examples.usual_ratings import Told, fit_usual

    items = {domain: Items(ms[0].person.domain, {m.person.user: m.person for m in ms}.values())
             for domain, ms in found.items()}  # fmt: skip
    known = {
        (domain, m.person.user, m.k): evolved(_seen(m), m.person.domain) for domain, ms in found.items() for m in ms
    }
    usual = {
        domain: fit_usual(
            [case_of(m, known[domain, m.person.user, m.k], items[domain]) for m in ms], ms[0].person.domain.scale
        )
        for domain, ms in found.items()
    }
    told: dict[Kind, Told] = {"level_only": "median", "unknown": "nothing"}
    for moment, rng in draw(found, seed):
        domain, user = moment.person.domain, moment.person.user
        facts = known[domain.id, user, moment.k]
        written = texts.get((domain.id, user, moment.k), ())
        kinds: list[Kind] = [kind for kind in SHARES if kind != "policy" or written]
        [kind] = rng.choices(kinds, [SHARES[kind] for kind in kinds])
        further = moment.k + 2 < len(moment.person.windows) and rng.random() < FURTHER and bool(_rated(moment, 2)[0])
        reading = _reading(moment, kind, _persona(moment, facts, kind, written, rng), 2 if further else 1)
        chosen = sorted(rng.sample(range(len(reading.titles)), min(ITEMS, len(reading.titles))))
        titles = tuple(reading.titles[i] for i in chosen)
        features = items[domain.id].features(facts, titles, user)
        yield replace(
            reading,
            titles=titles,
            ratings=tuple(reading.ratings[i] for i in chosen),
            usual=usual[domain.id].of(facts, features, told.get(kind, "all")),
        )


def case_of(moment: Moment, known: Facts, items: Items) -> "Case":
    """What is known of a person and of the items of the next window, and their ratings."""
    from deeper.learning.examples.usual_ratings import Case

    titles, ratings = _rated(moment, 1)
    shares = soft_labels(ratings, moment.person.domain.scale)
    return Case(known, items.features(known, titles, moment.person.user), shares)


def _persona(moment: Moment, known: Facts, kind: Kind, written: Sequence[str], rng: Random) -> str:
    if kind == "policy":
        return rng.choice(written)
    if kind == "describer":
        return _describe(moment, known, rng.randrange(2**31))
    if kind == "level_only":
        return level_only(known, moment.person.domain, seed=rng.randrange(2**31))
    return ""


def _describe(moment: Moment, known: Facts, seed: int) -> str:
    return describe(known, _seen(moment), moment.person.domain, seed=seed)


def _seen(moment: Moment) -> Sequence[Window]:
    return moment.person.windows[: moment.k + 1]


def _reading(moment: Moment, kind: Kind, persona: str, ahead: int) -> Reading:
    titles, ratings = _rated(moment, ahead)
    domain = moment.person.domain
    past = np.array([item["rating"] for window in _seen(moment) for item in window], np.float64)
    past = past[domain.is_rated(past)]
    middle = (domain.scale.minimum + domain.scale.maximum) / 2
    median = float(np.median(past)) if len(past) else middle
    return Reading(domain, moment.person.user, kind, persona, titles, ratings, median)


def _rated(moment: Moment, ahead: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Titles and ratings of the items of W_{k+ahead} that have a rating, the last one where a title comes again."""
    window = moment.person.windows[moment.k + ahead]
    real = moment.person.domain.is_rated(np.array([item["rating"] for item in window]))
    items = {quote(item["title"]): item for item, is_real in zip(window, real, strict=True) if is_real}
    return tuple(item["title"] for item in items.values()), tuple(item["rating"] for item in items.values())
