from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from context_cases import COVES, DOMAINS, OLD, context, directions_of, sampler, table
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.splits import part
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import (
    PairRule,
    check_split,
    choose_pairs,
    equally_many,
    split_pairs,
    summed,
)
from deeper.learning.preferences.directions import direction_prompt
from deeper.learning.preferences.rewarded_contexts import (
    RewardedContext,
    RewardedDirection,
    pool_runs,
    rewarded_contexts,
)
from deeper.learning.preferences.schema import PAIR, REWARD
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.updaters import MODULES

REFINE = {"refine": MODULES["refine"]}
RULE = PairRule(tau_plus=0.5, tau_minus=0.0, margin=0.0, margin_kind="absolute", max_pairs=100, prefer="margin")
TRAIN_USER = next(f"u{i}" for i in range(100) if part("coves", f"u{i}") != "validation")
HELD_USER = next(f"u{i}" for i in range(100) if part("coves", f"u{i}") == "validation")


def rewarded(*rewards: float, user: str = "u", leaking: Sequence[int] = (), **changes: Any) -> RewardedContext:
    """A context whose directions are named by their place."""
    made = tuple(
        RewardedDirection(f"{user}-{i}", f"Text {i} of {user}.", r, i in leaking) for i, r in enumerate(rewards)
    )
    whole: dict[str, Any] = {"domain": "coves", "user": user, "k": 1, "parent": f"old-of-{user}", "method": "refine"}
    return RewardedContext(**{**whole, "prompt": Prompt("Be short.", f"Refine {user}."), "directions": made, **changes})


def made(rule: PairRule, *found: RewardedContext) -> list[tuple[str, str]]:
    return [(row["chosen_id"], row["rejected_id"]) for row in choose_pairs(found, rule).table.to_pylist()]


def rewards_of(directions: pa.Table, *r: float | None) -> pa.Table:
    rows = directions.to_pylist()
    values = [r[i % len(r)] for i in range(len(rows))]
    parts = dict.fromkeys(("r_prev", "r_curr", "r_fut"), 0.0)
    names = ("user", "domain", "k")
    return pa.Table.from_pylist(
        [
            {"direction_id": row["id"], **{name: row[name] for name in names}, "measure": "mae", **parts, "r": value,
             "failure": "" if value is not None else "unread"}
            for row, value in zip(rows, values, strict=True)
        ],
        schema=REWARD,
    )  # fmt: skip


def test_thresholds_are_within_and_the_margin_too() -> None:
    one = rewarded(0.5, 0.75, 0.0, -0.25, 0.25)
    assert made(RULE, one) == [("u-1", "u-3"), ("u-0", "u-2"), ("u-0", "u-3"), ("u-1", "u-2")]
    assert made(replace(RULE, margin=0.75), one) == [("u-1", "u-3"), ("u-0", "u-3"), ("u-1", "u-2")]
    assert made(replace(RULE, margin=1.0), one) == [("u-1", "u-3")]
    assert made(replace(RULE, tau_plus=0.6), one) == [("u-1", "u-3"), ("u-1", "u-2")]
    assert made(replace(RULE, tau_minus=-0.1), one) == [("u-1", "u-3"), ("u-0", "u-3")]


def test_a_pair_holds_the_prompt_the_texts_and_their_rewards() -> None:
    paired = choose_pairs([rewarded(0.75, -0.25)], RULE)
    assert paired.table.schema == PAIR
    assert paired.table.to_pylist() == [
        {
            "user": "u",
            "domain": "coves",
            "k": 1,
            "parent": "old-of-u",
            "method": "refine",
            "prompt": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Refine u."}],
            "chosen": "Text 0 of u.",
            "rejected": "Text 1 of u.",
            "chosen_id": "u-0",
            "rejected_id": "u-1",
            "r_chosen": 0.75,
            "r_rejected": -0.25,
        }
    ]


def test_few_pairs_are_of_as_many_directions_as_there_are() -> None:
    one = rewarded(1.0, 0.9, 0.8, -0.8, -0.9, -1.0)
    assert made(replace(RULE, max_pairs=3), one) == [("u-0", "u-5"), ("u-1", "u-4"), ("u-2", "u-3")]
    assert made(replace(RULE, max_pairs=1), one) == [("u-0", "u-5")]
    assert len(made(RULE, one)) == 9, "each with each, where there is room"


def test_hard_pairs_have_the_best_of_the_bad_ones() -> None:
    one = rewarded(1.0, 0.6, -0.1, -0.5, -2.0)
    assert made(replace(RULE, max_pairs=2), one) == [("u-0", "u-4"), ("u-1", "u-3")]
    hard = replace(RULE, prefer="hard")
    assert made(replace(hard, max_pairs=2), one) == [("u-0", "u-2"), ("u-1", "u-3")]
    assert made(replace(hard, margin=1.2, max_pairs=2), one) == [("u-0", "u-3"), ("u-1", "u-4")], "beyond the margin"


def test_equal_rewards_go_by_the_order_of_the_samples() -> None:
    one = rewarded(-1.0, 1.0, 1.0 + 1e-12, -1.0)
    assert made(replace(RULE, max_pairs=2), one) == [("u-1", "u-0"), ("u-2", "u-3")]


def test_equal_rewards_are_no_pair_even_without_a_margin() -> None:
    rule = replace(RULE, tau_plus=0.0)
    with pytest.raises(UserError, match="no pair is left"):
        choose_pairs([rewarded(0.0, 0.0, 1e-12)], rule)


def test_what_leaks_is_never_chosen_but_may_be_rejected() -> None:
    paired = choose_pairs([rewarded(1.0, 0.6, -0.5, leaking=[0, 2])], RULE)
    assert [(row["chosen_id"], row["rejected_id"]) for row in paired.table.to_pylist()] == [("u-1", "u-2")]
    assert [paired.counts["refine"][name] for name in ("leaking", "positives", "negatives")] == [1, 1, 1]


def test_a_quantile_is_of_the_differences_within_contexts_of_the_domain() -> None:
    low, other = rewarded(1.0, 0.0), rewarded(3.0, 0.0, user="v")
    far = rewarded(9.0, 0.0, domain="elsewhere")
    paired = choose_pairs([low, other, far], replace(RULE, margin_kind="quantile", margin=0.5))
    assert paired.margins == pytest.approx({"coves": 2.0, "elsewhere": 9.0})
    assert {(row["domain"], row["user"]) for row in paired.table.to_pylist()} == {("coves", "v"), ("elsewhere", "u")}
    assert choose_pairs([low], replace(RULE, margin=0.3)).margins == {"coves": 0.3}


def test_counts_say_what_each_condition_left() -> None:
    found = [rewarded(1.0, -1.0), rewarded(1.0, 0.3, user="v"), rewarded(0.1, -1.0, user="w"), rewarded(user="x")]
    assert choose_pairs(found, RULE).counts["refine"] == {
        "contexts": 4,
        "directions": 6,
        "positives": 2,
        "leaking": 0,
        "negatives": 2,
        "contexts_with_positive": 2,
        "contexts_with_both": 1,
        "contexts_paired": 1,
        "pairs": 1,
    }


@given(
    st.lists(st.lists(st.floats(-2, 2).map(lambda r: round(r, 2)), max_size=7), max_size=4),
    st.floats(-0.5, 0.5),
    st.floats(0, 1),
    st.integers(1, 4),
    st.sampled_from(["margin", "hard"]),
)
def test_every_pair_keeps_the_rule(
    rewards: list[list[float]], tau: float, margin: float, most: int, prefer: Any
) -> None:
    rule = PairRule(tau, -tau, margin, "quantile", most, prefer)
    found = [rewarded(*own, user=f"user-{i}", leaking=[1]) for i, own in enumerate(rewards)]
    try:
        paired = choose_pairs(found, rule)
    except UserError:
        return
    rows = paired.table.to_pylist()
    for row in rows:
        assert row["chosen"] != row["rejected"] and not row["chosen_id"].endswith("-1")
        assert row["r_chosen"] >= tau - 1e-6 and row["r_rejected"] <= -tau + 1e-6
        assert row["r_chosen"] > row["r_rejected"]
        assert row["r_chosen"] - row["r_rejected"] >= paired.margins["coves"] - 1e-6
    assert all(sum(row["user"] == one.user for row in rows) <= most for one in found)
    assert len({(row["chosen_id"], row["rejected_id"]) for row in rows}) == len(rows)


def test_cases_leave_out_what_failed_repeats_or_has_no_reward() -> None:
    contexts = table(context())
    directions = directions_of(contexts, "Loves calm.", "Loves calm.", OLD, "", "Adores Cove C.", "Unread.")
    rewards = rewards_of(directions, 0.5, 0.5, 0.0, None, -0.5, None)
    [one], left_out = rewarded_contexts(contexts, directions, rewards, load_prompts(), 40, DOMAINS, REFINE)
    assert [(d.text, d.r, d.leaks) for d in one.directions] == [
        ("Loves calm.", 0.5, False),
        ("Adores Cove C.", -0.5, True),
    ]
    assert left_out == {"refine": {"failed": 1, "duplicate": 2, "unrewarded": 1}}


def test_the_prompt_is_what_the_policy_was_asked() -> None:
    contexts, engine = table(context()), ScriptedEngine()
    asking = sampler(engine, 2)
    directions = directions_of(contexts, "Loves calm.", "Hates calm.")
    [one], _ = rewarded_contexts(
        contexts, directions, rewards_of(directions, 1.0, 0.0), asking.prompts, 40, DOMAINS, REFINE
    )
    assert one.prompt == direction_prompt(contexts.to_pylist()[0], asking.prompts, asking.max_tokens, COVES, REFINE)
    assert OLD in one.prompt.user and "Cove C" in one.prompt.user and "Cove E" not in one.prompt.user


def test_rewards_of_other_directions_are_refused() -> None:
    contexts = table(context())
    directions = directions_of(contexts, "Loves calm.", "Hates calm.")
    rewards = rewards_of(directions, 1.0, 0.0).slice(1)
    with pytest.raises(UserError, match="1 directions have no row") as error:
        rewarded_contexts(contexts, directions, rewards, load_prompts(), 40, DOMAINS, REFINE)
    assert "deeper reward" in error.value.do


def test_a_context_of_two_runs_is_one() -> None:
    first, second = rewarded(0.5, 0.25), rewarded(9.0, -0.5)
    new = replace(second, directions=(second.directions[0], replace(second.directions[1], text="New.", id="new")))
    [one], repeated = pool_runs([[first], [new]])
    assert repeated == {"refine": 1}
    assert [(d.id, d.r) for d in one.directions] == [("u-0", 0.5), ("u-1", 0.25), ("new", -0.5)]
    asked_otherwise = replace(new, prompt=Prompt("Be short.", "Refine u, please."))
    both, repeated = pool_runs([[asked_otherwise], [first]])
    assert (len(both), repeated.total()) == (2, 0), "directions answer the prompt that they were sampled for"
    assert both == pool_runs([[first], [asked_otherwise]])[0], "the order of the runs does not matter"


def test_updaters_have_equally_many_pairs_and_keep_their_best() -> None:
    """The first pair of every context stays before a second one, and of these the largest margins."""
    slide = {"method": "slide_regeneration", "prompt": Prompt("Be short.", "Regenerate.")}
    found = [
        rewarded(1.0, 0.7, -0.5, user="u"),
        rewarded(0.6, -0.2, user="v"),
        rewarded(2.0, 0.9, -0.9, user="w"),
        rewarded(0.8, -0.1, user="u", **slide),
        rewarded(3.0, -3.0, -2.5, user="v", **slide),
    ]
    paired = choose_pairs(found, RULE)
    counts = {method: own["pairs"] for method, own in paired.counts.items()}
    assert counts == {"refine": 5, "slide_regeneration": 3}
    even = equally_many(paired.table).to_pylist()
    kept = [(row["method"], row["chosen_id"], row["rejected_id"]) for row in even]
    assert [pair for pair in kept if pair[0] == "refine"] == [
        ("refine", "u-0", "u-2"),
        ("refine", "v-0", "v-1"),
        ("refine", "w-0", "w-2"),
    ]
    assert sum(method == "slide_regeneration" for method, _, _ in kept) == 3
    one = paired.table.filter(pc.field("method") == "refine")
    assert equally_many(one).equals(one), "a single updater keeps all"
    assert summed(paired.counts.values())["pairs"] == 8 and summed(paired.counts.values())["leaking"] == 0


def test_validation_users_are_apart() -> None:
    table = choose_pairs([rewarded(1.0, 0.0, user=user) for user in (TRAIN_USER, HELD_USER)], RULE).table
    train, held = split_pairs(table)
    assert (train["user"].to_pylist(), held["user"].to_pylist()) == ([TRAIN_USER], [HELD_USER])
    check_split(train, held)
    with pytest.raises(UserError, match="the pairs to learn from include 1 validation users"):
        check_split(table, held.slice(1))
    with pytest.raises(UserError, match="1 validation users"):
        check_split(train, train)


def test_without_a_direction_to_choose_the_rewards_are_told() -> None:
    with pytest.raises(UserError) as error:
        choose_pairs([rewarded(0.25, -0.75, 0.9, leaking=[2])], RULE)
    assert "no context has a direction to choose" in error.value.what
    assert "1 that reach it leak" in error.value.what and "min -0.750" in error.value.what
    assert "--tau-plus" in error.value.do


def test_without_a_pair_the_rewards_are_told() -> None:
    with pytest.raises(UserError) as error:
        choose_pairs([rewarded(0.75, -0.25), rewarded(0.75, user="v")], replace(RULE, margin=2.0))
    assert "no pair is left: 1 contexts have" in error.value.what
    assert "δ = 2.000 in coves" in error.value.what and "max 0.750" in error.value.what
    assert "--margin" in error.value.do


def test_without_a_reward_there_is_nothing_to_pair() -> None:
    with pytest.raises(UserError, match="no direction has a reward"):
        choose_pairs([rewarded()], RULE)
