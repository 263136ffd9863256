import json
from typing import Any

import pyarrow as pa
import pytest
from context_cases import DOMAINS, context, directions_of, planted_directions, read, said_points, table, window

from deeper.engine.scripted.engine import ScriptedEngine
from deeper.engine.scripted.taste import taste_scores
from deeper.learning.preferences.gains import gains
from deeper.learning.preferences.reality import measure_reality
from deeper.learning.preferences.reality_report import Figure, Reality, RealityOfDomain
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.learning.preferences.window_errors import MEASURES

WEIGHTS = (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def planted() -> tuple[Any, ...]:
    return planted_directions(users=18, others=3)


@pytest.fixture(scope="module")
def read_truths(planted: tuple[Any, ...]) -> pa.Table:
    """Predictions of a reader that understands the planted words."""
    return read(planted[0], planted[1], ScriptedEngine(scorer=taste_scores))


def measured(planted: tuple[Any, ...], predictions: pa.Table, measure: Any) -> Reality:
    contexts, directions, expected = planted
    compared = gains(contexts, directions, predictions, DOMAINS, measure)
    true = gains(contexts, directions, predictions, DOMAINS, measure, expected)
    return measure_reality(compared, true, DOMAINS, WEIGHTS, seed=1)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_reader_of_truths_gives_a_reward_that_is_real(
    planted: tuple[Any, ...], read_truths: pa.Table, measure: str
) -> None:
    reality = measured(planted, read_truths, measure)
    entry = reality.overall
    assert entry.reliability.value > 0.8 and entry.reliability.ci[0] > 0.6
    assert entry.against_old.r.ci[0] > 0
    assert entry.against_mean.percent.ci[0] > 10
    assert entry.against_old_future.ci[0] > 0
    assert entry.true is not None and (entry.true.ci[0] or 0) > 0.5
    assert reality.is_trustworthy
    assert (entry.contexts, entry.contexts_used, entry.users, entry.texts) == (18, 18, 18, 72)


def test_noise_is_called_noise(planted: tuple[Any, ...]) -> None:
    reality = measured(planted, read(planted[0], planted[1], ScriptedEngine()), "crps")
    entry = reality.overall
    low, high = entry.reliability.ci
    assert low < 0 < high
    assert not reality.is_trustworthy
    assert entry.against_mean.r.ci[0] < 0 < entry.against_mean.r.ci[1]


def test_a_reward_that_never_differs_has_no_reliability(planted: tuple[Any, ...]) -> None:
    contexts, directions, expected = planted
    few = contexts.slice(0, 3)
    reality = measured((few, directions, expected), read(few, directions, said_points({})), "mae")
    entry = reality.overall
    assert entry.reliability == Figure(value=None, ci=(None, None))
    assert entry.against_old.r == Figure(value=0.0, ci=(0.0, 0.0))
    assert not reality.is_trustworthy


def four(**ratings: float) -> list[dict[str, Any]]:
    return window(**ratings)


def case(user: str = "u") -> pa.Table:
    same = {"windows": [four(a=4.0, b=4.0), four(c=4.0, d=4.0)], "future": [four(e=4.0, f=4.0)]}
    return table(context(user, **same))


def test_head_room_by_hand() -> None:
    """Even items a, c, e; odd b, d, f; all rated 4, and the old persona says 3.

    HIGH says 4 on the even and 3 on the odd: halves (3, 0). WIDE says 3 and 4: halves (0, 3). EVERY says 4 always:
    (3, 3). On the even half HIGH is best (the first of equals) and gains 0 on the odd one; there EVERY, which stands
    before WIDE, is best, and gains 3 on the even one.
    """
    contexts = case()
    even, odd = dict.fromkeys("ace", 4.0), dict.fromkeys("bdf", 4.0)
    directions = directions_of(contexts, "HIGH.", "EVERY.", "WIDE.")
    predictions = read(contexts, directions, said_points({"HIGH.": even, "EVERY.": even | odd, "WIDE.": odd}))
    entry = measure_reality(gains(contexts, directions, predictions, DOMAINS, "mae"), None, DOMAINS, WEIGHTS, 1).overall
    assert entry.against_old.r.value == pytest.approx(1.5)
    assert entry.against_old.per_rating.value == pytest.approx(0.5)
    assert entry.against_old.percent.value == pytest.approx(50)
    assert entry.against_mean.r.value == pytest.approx(1.5 - 2.0)
    assert entry.against_old_future.value == pytest.approx(0.5)
    assert entry.half_correlation.value == pytest.approx(-0.5)
    assert entry.reliability.value == pytest.approx(-1.0)
    assert entry.mean_direction.r.value == pytest.approx((1.5 + 3.0 + 1.5) / 3)
    assert entry.reliability.ci == (None, None), "one user has no interval"
    assert entry.true is None


def test_texts_are_described_and_contexts_that_cannot_be_halved_are_counted() -> None:
    contexts = table(
        *case("u").to_pylist(),
        context("v", windows=[four(a=4.0, b=0.0), four(c=4.0, d=4.0)]),
        *case("w").to_pylist(),
    )
    long = "EVERY word of this is long and long and long and long."
    directions = directions_of(contexts, "HIGH.", long, "WIDE.")
    every = dict.fromkeys("abcdef", 4.0)
    predictions = read(contexts, directions, said_points({"EVERY": every, "WIDE.": {"a": 4.0}}))
    entry = measure_reality(gains(contexts, directions, predictions, DOMAINS, "mae"), None, DOMAINS, WEIGHTS, 1).overall
    assert (entry.contexts, entry.contexts_used, entry.users, entry.texts) == (3, 2, 2, 6)
    assert entry.correlations.length.value > 0.9
    assert entry.correlations.redundancy.value > 0.9
    assert entry.correlations.leaks.value is None, "no text leaks"


def test_several_domains_are_put_together_as_shares_of_their_scales(planted: tuple[Any, ...]) -> None:
    contexts, directions = planted[0].slice(0, 4), planted[1]
    coves = case()
    both, made = (
        pa.concat_tables([coves, contexts]),
        pa.concat_tables([directions_of(coves, "EVERY.", "b"), directions]),
    )
    engine = said_points({"EVERY.": dict.fromkeys("abcdef", 4.0)})
    compared = gains(both, made, read(both, made, engine), DOMAINS, "mae")
    reality = measure_reality(compared, None, DOMAINS, WEIGHTS, 1)
    assert list(reality.by_domain) == ["coves", "planted"]
    assert reality.overall.domain == "all"
    assert reality.by_domain["coves"].mean_direction.r.value == pytest.approx(1.5)
    assert reality.overall.mean_direction.r.value == pytest.approx(1.5 / 4 / 5)


def test_shares_of_pairs_are_put_together_as_they_are(planted: tuple[Any, ...]) -> None:
    """RIGHT orders the pair of each window, which the old persona leaves open; all others say 3 of everything."""
    coves = table(context())
    both = pa.concat_tables([coves, planted[0].slice(0, 4)])
    made = pa.concat_tables([directions_of(coves, "RIGHT.", "RIGHT. Sure."), planted[1]])
    engine = said_points({"RIGHT.": {"a": 4.0, "c": 4.0, "f": 4.0}})
    compared = gains(both, made, read(both, made, engine), DOMAINS, "rank")
    overall = measure_reality(compared, None, DOMAINS, WEIGHTS, 1).overall
    assert overall.domain == "all" and overall.mean_direction.r.value == pytest.approx(3 * 0.5 / 5)


def test_the_report_is_the_same_after_json(planted: tuple[Any, ...], read_truths: pa.Table) -> None:
    reality = measured(planted, read_truths, "mae")
    assert Reality.model_validate_json(json.dumps(reality.as_json(), allow_nan=False)) == reality
    assert reality.as_json()["overall"]["reliability"].keys() == {"value", "ci"}


def test_trust_needs_a_level_an_interval_and_users(planted: tuple[Any, ...], read_truths: pa.Table) -> None:
    real = measured(planted, read_truths, "mae").overall

    def is_trusted(value: float | None, low: float | None, users: int = REWARD_RECIPE.min_users) -> bool:
        reliability = Figure(value=value, ci=(low, None if low is None else 0.9))
        overall: RealityOfDomain = real.model_copy(update={"users": users, "reliability": reliability})
        return Reality(overall=overall, by_domain={}).is_trustworthy

    assert is_trusted(0.3, 0.1)
    assert is_trusted(REWARD_RECIPE.min_reliability, 0.1)
    assert not is_trusted(0.3, -0.01)
    assert not is_trusted(0.1, 0.05)
    assert not is_trusted(0.9, 0.5, users=REWARD_RECIPE.min_users - 1)
    assert not is_trusted(None, None)
    assert not is_trusted(0.9, None)
