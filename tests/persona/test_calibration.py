from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from persona_cases import DOMAINS, HALVES, PERCENT, STARS

from deeper.domains import Domain
from deeper.measure.metrics import crps, weighted_median
from deeper.persona.calibration import Calibration, Map, fit
from deeper.persona.schema import PREDICTION

Floats = np.ndarray[Any, np.dtype[np.float64]]


def actual(domain: Domain, count: int = 400, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    labels = len(domain.scale.values)
    shares = np.arange(1, labels + 1, dtype=float)
    return rng.choice(domain.scale.values, count, p=shares / shares.sum())


def reacting(domain: Domain, ratings: Floats) -> Floats:
    """Readouts around the truth; shape (ratings, labels)."""
    width = np.ptp(domain.scale.values)
    distance = np.abs(domain.scale.values - ratings[:, None]) / width
    weights = np.exp(-4 * distance)
    return weights / weights.sum(axis=1, keepdims=True)


def indifferent(domain: Domain, count: int, seed: int = 2) -> Floats:
    """Readouts that know nothing of the ratings."""
    return np.random.default_rng(seed).dirichlet(np.ones(len(domain.scale.values)), count)


def table(domain: Domain, distribution: Floats, failure: str = "") -> pa.Table:
    row = {
        "persona_id": "id",
        "user": "ann",
        "domain": domain.id,
        "k": 1,
        "points": [] if failure else weighted_median(distribution, domain.scale.values).tolist(),
        "distribution": [] if failure else distribution.tolist(),
        "readout": "distribution",
        "calibrated": "off",
        "failure": failure,
    }
    return pa.Table.from_pylist([row], schema=PREDICTION)


def loss(domain: Domain, distribution: Floats, ratings: Floats) -> float:
    return float(crps(distribution, domain.scale.values, ratings).mean())


@pytest.mark.parametrize("domain", [STARS, HALVES])
def test_a_readout_that_does_not_react_gets_the_domains_own_ratings(domain: Domain) -> None:
    ratings = actual(domain)
    constant = np.repeat(indifferent(domain, 1), len(ratings), axis=0)
    one = fit([(domain, constant, ratings)]).domains[domain.id]
    assert one.exponent == 0
    shares = np.bincount(domain.scale.index(ratings), minlength=len(domain.scale.values)) / len(ratings)
    np.testing.assert_allclose(one.apply(constant)[0], shares, atol=0.01)


def test_noise_is_not_followed() -> None:
    ratings = actual(STARS, 2000)
    one = fit([(STARS, indifferent(STARS, len(ratings)), ratings)]).domains["stars"]
    assert one.exponent <= 0.1


@pytest.mark.parametrize("domain", [STARS, HALVES])
def test_a_readout_that_reacts_is_followed_and_helps(domain: Domain) -> None:
    train, test = actual(domain, seed=1), actual(domain, seed=2)
    one = fit([(domain, reacting(domain, train), train)]).domains[domain.id]
    assert one.exponent >= 0.9
    raw = reacting(domain, test)
    constant = np.repeat([one.base], len(test), axis=0)
    assert loss(domain, one.apply(raw), test) < 0.7 * loss(domain, constant, test)
    assert loss(domain, one.apply(raw), test) < loss(domain, raw, test)


def test_a_constant_bias_is_removed() -> None:
    habit = np.geomspace(30, 1, len(HALVES.scale.values))

    def biased(ratings: Floats) -> Floats:
        weights = reacting(HALVES, ratings) * habit
        return weights / weights.sum(axis=1, keepdims=True)

    train, test = actual(HALVES, seed=1), actual(HALVES, seed=2)
    one = fit([(HALVES, biased(train), train)]).domains["halves"]
    raw = weighted_median(biased(test), HALVES.scale.values)
    mended = weighted_median(one.apply(biased(test)), HALVES.scale.values)
    assert (raw - test).mean() < -0.8
    assert abs((mended - test).mean()) < 0.25
    assert np.abs(mended - test).mean() < 0.5 * np.abs(raw - test).mean()


def test_a_domain_without_train_users_gets_the_pooled_map_and_says_so() -> None:
    stars, halves = actual(STARS), actual(HALVES)
    samples = [(STARS, reacting(STARS, stars), stars), (HALVES, reacting(HALVES, halves), halves)]
    calibration = fit([*samples, (PERCENT, np.empty((0, 100)), np.empty(0))])
    assert calibration.domains.keys() == {"stars", "halves"}
    assert [calibration.find(domain)[0] for domain in (STARS, HALVES, PERCENT)] == ["domain", "domain", "pooled"]
    pooled = calibration.find(PERCENT)[1]
    assert pooled is not None
    assert len(pooled.base) == len(pooled.mean) == 100
    assert sum(pooled.base) == pytest.approx(1)
    assert pooled.ratings == 800
    assert pooled.exponent >= 0.8
    assert np.mean(pooled.base[50:]) > 1.5 * np.mean(pooled.base[:50]), "high ratings are frequent in both"
    test = actual(PERCENT, seed=3)
    raw = reacting(PERCENT, test)
    out = calibration.calibrate(table(PERCENT, raw), DOMAINS).to_pylist()[0]
    assert out["calibrated"] == "pooled"
    constant = np.repeat([pooled.base], len(test), axis=0)
    assert loss(PERCENT, np.array(out["distribution"]), test) < 0.7 * loss(PERCENT, constant, test)


def test_pooling_one_domain_onto_the_same_scale_is_its_own_map() -> None:
    twin = Domain("twin", "Twin", "pebble", STARS.scale)
    ratings = actual(STARS)
    calibration = fit([(STARS, reacting(STARS, ratings), ratings)])
    own, pooled = calibration.domains["stars"], calibration.find(twin)[1]
    assert pooled is not None
    np.testing.assert_allclose(pooled.base, own.base, atol=1e-9)
    np.testing.assert_allclose(pooled.mean, own.mean, atol=1e-9)
    assert pooled.exponent == own.exponent


def test_without_any_train_user_predictions_stay_and_say_so() -> None:
    calibration = fit([])
    assert calibration == Calibration({}, None)
    before = table(STARS, indifferent(STARS, 3))
    assert calibration.calibrate(before, DOMAINS) == before


def test_failed_predictions_pass_unchanged() -> None:
    ratings = actual(STARS)
    calibration = fit([(STARS, reacting(STARS, ratings), ratings)])
    before = table(STARS, np.empty((0, 5)), failure="unreadable")
    assert calibration.calibrate(before, DOMAINS) == before


def test_the_fit_does_not_depend_on_the_order_of_the_ratings() -> None:
    ratings = actual(STARS)
    readouts, order = reacting(STARS, ratings), np.random.default_rng(0).permutation(len(ratings))
    one = fit([(STARS, readouts, ratings)]).domains["stars"]
    other = fit([(STARS, readouts[order], ratings[order])]).domains["stars"]
    assert (one.base, one.exponent) == (other.base, other.exponent)
    np.testing.assert_allclose(one.mean, other.mean)


def distributions(labels: int) -> st.SearchStrategy[Floats]:
    weights = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(labels)), elements=st.floats(0, 1))
    return weights.map(lambda w: (w + 1e-6) / (w + 1e-6).sum(axis=1, keepdims=True))


@given(distributions(10), distributions(10), st.sampled_from([0.0, 0.05, 0.5, 1.0, 1.95, 2.0]))
def test_calibrated_distributions_are_distributions_within_the_scale(
    raw: Floats, maps: Floats, exponent: float
) -> None:
    calibration = Calibration({"halves": Map(tuple(maps[0]), tuple(maps[-1]), exponent, 1)}, None)
    [out] = calibration.calibrate(table(HALVES, raw), DOMAINS).to_pylist()
    shares = np.array(out["distribution"])
    assert np.isfinite(shares).all()
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert all(0.5 <= point <= 5 for point in out["points"])
    assert out["calibrated"] == "domain"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_one_hot_readouts_stay_finite(pairs: list[tuple[int, int]]) -> None:
    readouts = np.eye(5)[[p for p, _ in pairs]]
    ratings = STARS.scale.values[[y for _, y in pairs]]
    calibration = fit([(STARS, readouts, ratings)])
    twin = Domain("twin", "Twin", "pebble", HALVES.scale)
    for domain, raw in ((STARS, np.eye(5)), (twin, np.eye(10))):
        kind, one = calibration.find(domain)
        assert one is not None
        assert kind == ("domain" if domain is STARS else "pooled")
        shares = one.apply(raw)
        assert np.isfinite(shares).all()
        assert (shares >= 0).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1)
