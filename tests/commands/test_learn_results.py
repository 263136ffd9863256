"""What `deeper learn` reports of validations: errors, differences by user, alarms."""

import math

import pyarrow as pa
import pytest

from deeper.commands.learn.validation import held_out_errors, length_alarms, mean_error, paired_difference
from deeper.evaluation.schema import ERROR


def errors(*rows: tuple[str, str, str, int, str, float]) -> pa.Table:
    """`ERROR` rows of domain, user, method, round, role and MAE."""
    rest = {"rmse": 0.0, "crps": 0.0, "rank_accuracy": None, "n": 10, "readout": "", "calibrated": "", "predictor": ""}
    names = ("domain", "user", "method", "round", "role", "mae")
    return pa.Table.from_pylist(
        [{**dict(zip(names, row, strict=True)), **rest, "search_n": 0, "prediction": "persona"} for row in rows],
        schema=ERROR,
    )


def test_only_held_out_errors_after_a_refinement_count() -> None:
    table = errors(
        ("coves", "u", "refine", 0, "future", 9.0),
        ("coves", "u", "refine", 1, "future", 1.0),
        ("coves", "u", "refine", 1, "current", 8.0),
        ("coves", "u", "frozen", 1, "future", 7.0),
        ("coves", "u", "refine", 2, "future", 2.0),
    )
    assert held_out_errors(table, "refine") == {("coves", "u", 1): 1.0, ("coves", "u", 2): 2.0}


def test_the_error_is_a_mean_over_rounds_then_users_then_domains() -> None:
    found = mean_error({("coves", "a", 1): 1.0, ("coves", "a", 2): 3.0, ("coves", "b", 1): 4.0, ("reefs", "a", 1): 9.0})
    assert found.mae == pytest.approx(((2.0 + 4.0) / 2 + 9.0) / 2)
    assert found.users == 3
    assert found.ci == (None, None), "a domain of one user has no interval"


def test_the_difference_takes_the_rounds_that_both_have() -> None:
    before = {("coves", "a", 1): 1.0, ("coves", "a", 2): 5.0, ("coves", "b", 1): 2.0, ("coves", "c", 1): 1.0}
    after = {("coves", "a", 1): 0.5, ("coves", "b", 1): 2.5, ("coves", "c", 1): 1.0, ("coves", "d", 1): 9.0}
    found = paired_difference(before, after)
    assert found.difference == pytest.approx((-0.5 + 0.5 + 0.0) / 3)
    assert found.users == 3
    assert found.improved == pytest.approx(1 / 3)
    low, high = found.ci
    assert low is not None and high is not None
    half = 4.303 * 0.5 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert (low, high) == pytest.approx((-half, half), abs=1e-3)


def test_no_user_in_both_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one user"):
        paired_difference({("coves", "a", 1): 1.0}, {("coves", "a", 2): 1.0})


def text(tokens: float | None, cut_off: float | None) -> dict[str, float | None]:
    return {"tokens": tokens, "cut_off": cut_off}


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (text(61, 0.1), ["explodes: 61"]),
        (text(26, 0.0), ["shrinks: 26"]),
        (text(50, 0.6), ["60% of the texts are cut off", "10% before"]),
        (text(90, 1.0), ["explodes", "cut off"]),
        (text(None, None), ["no validation user's persona could be refined"]),
        (text(45, 0.3), []),
    ],
)
def test_length_alarms(after: dict[str, float | None], words: list[str]) -> None:
    alarms = length_alarms(text(40, 0.1), after)
    assert bool(alarms) == bool(words)
    assert all(word in " | ".join(alarms) for word in words)
