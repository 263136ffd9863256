from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from context_cases import COVES, DOMAINS, OLD, context, directions_of, read, said_points, table, window

from deeper.behaviour.splits import share_out, user_hash
from deeper.engine import Prompt, ScoreRequest
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure, digest_scores
from deeper.errors import UserError
from deeper.learning.preferences.gains import ALL_ITEMS, RESCORED_SUFFIX, gains
from deeper.learning.preferences.rewards import asked_of_candidates, asked_of_old, check_zero, reward_table
from deeper.learning.preferences.schema import REWARD
from deeper.learning.preferences.window_errors import Measure
from deeper.persona.predict import predict_row

WARM, SHARP = "Warm at first.", "Sharp in the end."
POINTS = {WARM: {"a": 4.0, "b": 3.0, "c": 5.0}, SHARP: {"a": 2.0, "b": 2.0, "c": 1.0, "e": 1.0, "f": 4.0}}
"""The old persona says 3 of every item. Its errors: W_0 {4, 2} 1 and 1, W_1 {5, 3} 2 and 0, W_2 {1, 4} 2 and 1.
WARM: 0 and 1, 0 and 0, 2 and 1. SHARP: 2 and 0, 4 and 0, 0 and 0."""


def rewards(
    contexts: pa.Table,
    directions: pa.Table,
    engine: ScriptedEngine,
    weights: Sequence[float] = (1, 1, 1),
    measure: Measure = "mae",
) -> list[dict[str, Any]]:
    predictions = read(contexts, directions, engine)
    compared = gains(contexts, directions, predictions, DOMAINS, measure)
    return reward_table(directions, compared, weights).to_pylist()


def three(row: dict[str, Any]) -> tuple[float, ...]:
    return tuple(row[name] for name in ("r_prev", "r_curr", "r_fut", "r"))


@pytest.mark.parametrize("measure", ["mae", "crps"])
@pytest.mark.parametrize(
    ("weights", "warm", "sharp"), [((1, 1, 1), 1.5, 0.5), ((1, 2, 0.5), 2.5, -1.25), ((0, 0, 1), 0.0, 1.5)]
)
def test_rewards_by_hand(measure: Measure, weights: Sequence[float], warm: float, sharp: float) -> None:
    contexts = table(context())
    rows = rewards(contexts, directions_of(contexts, WARM, SHARP), said_points(POINTS), weights, measure)
    assert three(rows[0]) == pytest.approx((0.5, 1.0, 0.0, warm))
    assert three(rows[1]) == pytest.approx((0.0, -1.0, 1.5, sharp))
    assert {row["measure"] for row in rows} == {measure}
    assert pa.Table.from_pylist(rows, schema=REWARD).num_rows == 2


def test_several_future_windows_count_by_their_mean() -> None:
    """W_2 as above, and W_3 {c: 5, d: 3}, in which WARM gains 1 and SHARP loses 1."""
    futures = [window(e=1.0, f=4.0), window(c=5.0, d=3.0)]
    contexts = table(context(future=futures))
    rows = rewards(contexts, directions_of(contexts, WARM, SHARP), said_points(POINTS))
    assert three(rows[0]) == pytest.approx((0.5, 1.0, (0.0 + 1.0) / 2, 2.0))
    assert three(rows[1]) == pytest.approx((0.0, -1.0, (1.5 - 1.0) / 2, -0.75))
    contexts = table(context(future=[*futures, window(e=0.0, f=0.0)]))
    again = rewards(contexts, directions_of(contexts, WARM, SHARP), said_points(POINTS))
    assert [three(row) for row in again] == [three(row) for row in rows], "one that has no rating does not count"


def test_updaters_share_an_old_persona_which_is_read_once_for_all() -> None:
    contexts = table(context(), context(method="slide_regeneration"))
    directions = pa.concat_tables(
        [directions_of(contexts.slice(0, 1), WARM, SHARP), directions_of(contexts.slice(1), SHARP, "Nothing new.")]
    )
    engine = said_points(POINTS)
    rows = rewards(contexts, directions, engine)
    assert [row["r"] for row in rows] == pytest.approx([1.5, 0.5, 0.5, 0.0])
    asked = [request for request in engine.asked if isinstance(request, ScoreRequest)]
    assert [sum(text in request.prompt.user for request in asked) for text in (WARM, SHARP, OLD)] == [1, 1, 2]
    predictions = read(contexts, directions, said_points(POINTS))
    compared = gains(contexts, directions, predictions, DOMAINS, "mae")
    assert [one.texts for one in compared] == [(WARM, SHARP), (SHARP, "Nothing new.")]


def test_a_repeated_text_has_one_reward_and_is_read_once() -> None:
    contexts = table(context())
    directions = directions_of(contexts, WARM, OLD, WARM, SHARP)
    engine = said_points(POINTS)
    rows = rewards(contexts, directions, engine)
    assert [row["r"] for row in rows] == pytest.approx([1.5, 0.0, 1.5, 0.5])
    assert [row["direction_id"] for row in rows] == directions["id"].to_pylist()
    asked = [request for request in engine.asked if isinstance(request, ScoreRequest)]
    assert [sum(text in request.prompt.user for request in asked) for text in (WARM, SHARP, OLD)] == [1, 1, 2]
    assert {len(request.continuations) for request in asked} == {6}, "three windows behind one persona"


def test_directions_of_one_context_are_not_those_of_another() -> None:
    contexts = table(context("u"), context("v", future=[window(e=3.0, f=3.0)]))
    rows = rewards(contexts, directions_of(contexts, WARM, SHARP), said_points(POINTS))
    assert [row["r"] for row in rows] == pytest.approx([1.5, 0.5, 1.5, 0.0 - 1.0 - 1.5])


def test_what_is_not_rated_does_not_count() -> None:
    contexts = table(context(windows=[window(a=4.0, b=0.0), window(c=5.0, d=3.0)]))
    [row] = rewards(contexts, directions_of(contexts, WARM), said_points(POINTS))
    assert three(row) == pytest.approx((1.0, 1.0, 0.0, 2.0))


def test_a_window_without_ratings_leaves_the_context_without_rewards() -> None:
    contexts = table(context(future=[window(e=0.0, f=0.0)]))
    rows = rewards(contexts, directions_of(contexts, WARM, OLD), said_points(POINTS))
    assert [(three(row), row["failure"]) for row in rows] == [((None,) * 4, "a window has no rating")] * 2


def failing(text: str) -> ScriptedEngine:
    """A predictor that cannot read one text."""

    def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Any:
        if text in prompt.user:
            raise ScriptedFailure("unread")
        return digest_scores(prompt, continuation, labels)

    return ScriptedEngine(scorer=judge)


def test_a_text_that_could_not_be_read_has_no_reward() -> None:
    contexts = table(context())
    rows = rewards(contexts, directions_of(contexts, WARM, SHARP, ""), failing(WARM))
    assert [row["failure"] for row in rows] == [
        "unread",
        "",
        "no text: the engine gave an empty text",
    ]
    assert [row["r"] is None for row in rows] == [True, False, True]


def test_an_old_persona_that_could_not_be_read_leaves_no_reward() -> None:
    contexts = table(context("u"), context("v", persona="Another."))
    rows = rewards(contexts, directions_of(contexts, WARM, SHARP), failing(OLD))
    assert [row["failure"].startswith("old persona: ") for row in rows] == [True, True, False, False]


def test_the_old_persona_scored_again_comes_out_at_zero() -> None:
    contexts = table(context("u"), context("v"))
    directions = directions_of(contexts, WARM, SHARP)
    rows = [predict_row(*one) for one in asked_of_candidates(contexts, directions)]
    assert [row["persona"] for row in rows] == [OLD, WARM, SHARP] * 2
    assert [persona["text"] for persona, _ in asked_of_old(contexts)] == [OLD] * 2
    assert rows[0]["persona_id"] == "old-of-u" + RESCORED_SUFFIX
    compared = gains(contexts, directions, read(contexts, directions, ScriptedEngine()), DOMAINS, "crps")
    assert check_zero(compared, DOMAINS) == 0.0


def test_a_predictor_that_answers_otherwise_in_another_batch_is_refused() -> None:
    contexts = table(context())
    directions = directions_of(contexts, WARM)
    calls: list[int] = []

    def moody(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Any:
        calls.append(1)
        return np.log(np.full(5, 0.2) + (len(calls) > 6) * np.array([0.0, 0.0, 0.0, 0.0, 0.2]))

    predictions = read(contexts, directions, ScriptedEngine(scorer=moody))
    with pytest.raises(UserError, match="scored again got rewards of up to"):
        check_zero(gains(contexts, directions, predictions, DOMAINS, "crps"), DOMAINS)


def test_noise_free_ratings_can_stand_in() -> None:
    contexts = table(context())
    directions = directions_of(contexts, WARM)
    true = {("coves", "u", k): np.array([3.0, 3.0]) for k in range(3)}
    predictions = read(contexts, directions, said_points(POINTS))
    [one] = gains(contexts, directions, predictions, {"coves": COVES}, "mae", true)
    assert one.gains[ALL_ITEMS].tolist() == [[-0.5, -1.0, 0.0]]


KEYS = [("coves", name) for name in ("u", "v", "w")]


def hashes(*names: str) -> frozenset[str]:
    return frozenset(user_hash("coves", name) for name in names)


def test_each_user_is_judged_by_a_predictor_that_has_not_learnt_from_it() -> None:
    assert share_out(KEYS, [hashes("u"), hashes("v", "w")]) == [KEYS[1:], KEYS[:1]]
    assert share_out(KEYS, [hashes("u"), hashes("v"), frozenset()]) == [KEYS[1:], KEYS[:1], []]
    assert share_out(KEYS, [frozenset()]) == [KEYS]


def test_a_user_whom_every_predictor_remembers_is_refused() -> None:
    with pytest.raises(UserError, match="every predictor was trained on 2 of these users") as error:
        share_out(KEYS, [hashes("u", "v"), hashes("v", "u")])
    assert "--fold" in error.value.do
