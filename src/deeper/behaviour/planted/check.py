"""Check planted users: do the ratings show what truth.parquet says?

The truth gives the distribution of every rating: the planted value with Gaussian noise, rounded to the scale. So each
contrast of ratings (liked kinds against the others, the last window against the first …) has a known mean and a known
standard error, whatever the scale cuts off at its ends. A contrast holds if it lies within `Z` standard errors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.behaviour.own.folder import DOMAIN_FILE
from deeper.behaviour.planted.plant import DRIFT_WINDOWS, TRUTH, TRUTH_FILE, liked_at
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import BEHAVIOUR
from deeper.domains import Domain, Scale, load_domain
from deeper.errors import UserError
from deeper.storage.parquet import read_parquet

Floats = NDArray[np.float64]
Z = 3.29
"""Standard errors that a contrast may be off: 99.9 % of all draws lie within."""
USER_Z = 1.96
"""The same for the mean rating of one user: 95 %."""


@dataclass(frozen=True)
class PlantedFolder:
    """What `deeper synth users` wrote.

    Attributes:
        domain: The domain.
        truth: `TRUTH` rows by user.
        events: `BEHAVIOUR` rows by user, in order of position.
    """

    domain: Domain
    truth: dict[str, dict[str, Any]]
    events: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Contrast:
    """One thing that was planted, as a mean over users.

    Attributes:
        name: What it is.
        users: Users who have it.
        planted: Its expected value.
        shown: Its value in the ratings.
        error: Standard error of `shown`, known from the noise.
    """

    name: str
    users: int
    planted: float
    shown: float
    error: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Where `shown` lies in 99.9 % of all draws."""
        return self.planted - Z * self.error, self.planted + Z * self.error

    @property
    def holds(self) -> bool:
        """Whether the ratings show what was planted."""
        return self.bounds[0] <= self.shown <= self.bounds[1]


def read_planted(folder: Path) -> PlantedFolder:
    """Read a folder of `deeper synth users`.

    Raises:
        UserError: It is no such folder, or the truth speaks of other ratings.
    """
    truth = _table(folder / TRUTH_FILE, TRUTH)
    events: dict[str, list[dict[str, Any]]] = {}
    for row in _table(folder / "behaviour.parquet", BEHAVIOUR).sort_by("position").to_pylist():
        events.setdefault(row["user"], []).append(row)
    rows = {row["user"]: row for row in truth.to_pylist()}
    if {user: len(row["expected"]) for user, row in rows.items()} != {user: len(own) for user, own in events.items()}:
        raise UserError(
            f"{TRUTH_FILE} speaks of other ratings than behaviour.parquet holds",
            where=str(folder),
            do="make both again with deeper synth users",
        )
    return PlantedFolder(load_domain(folder / DOMAIN_FILE), rows, events)


def kind_of(title: str) -> str:
    """The kind that a planted title names."""
    return title.rpartition(" ")[2]


def check_planted(planted: PlantedFolder) -> list[Contrast]:
    """Compare what was planted with what the ratings show; contrasts that no user has are left out.

    The last contrast is the share of users whose own mean rating lies within its 95 % interval. It fails if users are
    mixed up, even where all means agree.
    """
    users = [_UserRatings(planted, user) for user in planted.truth]
    last = max(int(user.k.max()) for user in users)
    found = [
        _contrast("level, first window", [(u, u.mean(u.is_neutral & (u.k == 0))) for u in users]),
        _contrast(f"level, window {last}", [(u, u.mean(u.is_neutral & (u.k == last))) for u in users]),
        _contrast("liked kinds, above the level", [(u, u.between(u.is_liked, u.is_neutral)) for u in users]),
        _contrast("disliked kinds, above the level", [(u, u.between(u.is_disliked, u.is_neutral)) for u in users]),
        _contrast("kinds no longer liked, above it", [(u, u.between(u.is_past, u.is_neutral)) for u in users]),
        *(
            _contrast(
                f"users who {'cool' if sign < 0 else 'warm'}, over all windows",
                [(u, u.between(u.k == min(last, DRIFT_WINDOWS), u.k == 0)) for u in users if u.drift * sign > 0],
            )
            for sign in (-1, 1)
        ),
        _noise(users),
        _own_levels(users),
    ]
    return [contrast for contrast in found if contrast.users]


class _UserRatings:
    """A user's ratings, with their distribution by the truth; all shape (ratings,)."""

    def __init__(self, planted: PlantedFolder, user: str) -> None:
        truth, events, scale = planted.truth[user], planted.events[user], planted.domain.scale
        kinds = [kind_of(event["title"]) for event in events]
        self.k = np.arange(len(events)) // RECIPE.window_size
        self.ratings: Floats = np.array([event["rating"] for event in events], np.float64)
        self.is_liked = np.array([kind in liked_at(truth, k) for kind, k in zip(kinds, self.k.tolist(), strict=True)])
        self.is_past = np.array([kind in truth["liked"] for kind in kinds]) & ~self.is_liked
        self.is_disliked = np.array([kind in truth["disliked"] for kind in kinds])
        self.is_neutral = ~(self.is_liked | self.is_past | self.is_disliked)
        self.drift: float = truth["drift_per_window"]
        shares = _shares(np.array(truth["expected"], np.float64), truth["noise"], scale)
        self.expected: Floats = shares @ scale.values
        distance = np.abs(scale.values - self.expected[:, None])
        self.variance: Floats = (shares * distance**2).sum(axis=1)
        self.distance: Floats = (shares * distance).sum(axis=1)

    def mean(self, mask: NDArray[np.bool_]) -> Floats:
        """Weights that take the mean of some ratings; all 0 if there are none."""
        return mask / max(mask.sum(), 1)

    def between(self, mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> Floats:
        """Weights that take the mean of some ratings minus that of others; all 0 if one has none."""
        return self.mean(mask) - self.mean(other) if mask.any() and other.any() else np.zeros(len(mask))


def _shares(values: Floats, noise: float, scale: Scale) -> Floats:
    """The probability of each label, shape (ratings, labels)."""
    ends = (scale.values[1:] + scale.values[:-1]) / 2
    if not noise:
        return np.eye(len(scale.values))[scale.index(values)]
    below = np.vectorize(math.erf)((ends - values[:, None]) / (noise * math.sqrt(2))) / 2 + 0.5
    edges = np.hstack([np.zeros((len(values), 1)), below, np.ones((len(values), 1))])
    return np.diff(edges, axis=1)


def _contrast(name: str, weighted: Sequence[tuple[_UserRatings, Floats]]) -> Contrast:
    """The mean over the users whose weights are not all 0."""
    having = [(user, weights) for user, weights in weighted if weights.any()]
    return _mean_over_users(
        name,
        planted=[float(weights @ user.expected) for user, weights in having],
        shown=[float(weights @ user.ratings) for user, weights in having],
        variance=[float(weights**2 @ user.variance) for user, weights in having],
    )


def _noise(users: Sequence[_UserRatings]) -> Contrast:
    return _mean_over_users(
        "noise: distance from expected",
        planted=[user.distance.mean() for user in users],
        shown=[np.abs(user.ratings - user.expected).mean() for user in users],
        variance=[(user.variance - user.distance**2).sum() / len(user.k) ** 2 for user in users],
    )


def _own_levels(users: Sequence[_UserRatings]) -> Contrast:
    """The share of users whose mean rating is near enough to its expected value."""
    off = [abs((user.ratings - user.expected).mean()) for user in users]
    within = [USER_Z * math.sqrt(user.variance.sum()) / len(user.k) for user in users]
    share = math.erf(USER_Z / math.sqrt(2))
    return _mean_over_users(
        "users near their own level (95 %)",
        planted=[share] * len(users),
        shown=[float(distance <= most) for distance, most in zip(off, within, strict=True)],
        variance=[share * (1 - share)] * len(users),
    )


def _mean_over_users(
    name: str, planted: Sequence[float], shown: Sequence[float], variance: Sequence[float]
) -> Contrast:
    count = len(planted)
    if not count:
        return Contrast(name, 0, math.nan, math.nan, math.nan)
    error = math.sqrt(sum(variance)) / count
    return Contrast(name, count, float(np.mean(planted)), float(np.mean(shown)), error)


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    do = "give a folder of deeper synth users; the same --users, --windows and --seed make the same one again"
    try:
        table = read_parquet(path)
    except FileNotFoundError as error:
        raise UserError("there is no such file, so nothing says what was planted", where=str(path), do=do) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"the file cannot be read ({error})", where=str(path), do=do) from error
    if not table.schema.equals(schema):
        raise UserError("the file has other columns than deeper synth users writes", where=str(path), do=do)
    return table
