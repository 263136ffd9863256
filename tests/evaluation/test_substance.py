"""What personas hold, by hand-made windows and by runs of rules on planted users."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deeper.behaviour.schema import WINDOW
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.domains import Domain, Scale
from deeper.evaluation.comparison import DomainGroup
from deeper.evaluation.results_schema import SubstanceEntry
from deeper.evaluation.runs.load_run import load_run
from deeper.evaluation.substance.substance_entries import substance_entries
from deeper.evaluation.substance.user_items import Held, UserItems
from deeper.evaluation.substance.user_measures import UserMeasures, rank_beyond_level, user_measures

STARS = Domain("stars", "Stars", "film", Scale(1, 5, 1), unrated=(0.0,))
NAN = float("nan")


def items(*rated: tuple[str, float]) -> list[dict[str, Any]]:
    """A window; the categories of an item are separated by a stroke."""
    return [
        {"item": f"{i}", "title": f"Number {i}", "categories": kinds.split("|"), "rating": rating, "time": None}
        for i, (kinds, rating) in enumerate(rated)
    ]


def user(*windows: list[dict[str, Any]]) -> UserItems:
    return UserItems(STARS, windows)


class TestLaterResiduals:
    later = items(("War", 5), ("War|Drama", 4), ("Drama", 1), ("Fable", 2), ("Fable", 0))

    def residual(self, **named: int) -> float:
        return user(self.later, self.later).later_residual(named, 1)

    def test_a_residual_is_the_distance_to_the_users_mean_in_that_window(self) -> None:
        assert self.residual(war=1) == pytest.approx((2 + 1) / 2)
        assert self.residual(fable=1) == pytest.approx(-1), "an item without a rating does not count"

    def test_the_stated_side_signs_it(self) -> None:
        assert self.residual(war=-1) == pytest.approx(-1.5)
        assert self.residual(fable=-1) == pytest.approx(1)

    def test_an_item_with_two_named_kinds_counts_for_each(self) -> None:
        assert self.residual(war=1, drama=-1) == pytest.approx((2 + 1 - 1 + 2) / 4)

    def test_a_window_without_a_named_kind_has_none(self) -> None:
        assert np.isnan(self.residual(western=1))


def test_a_persona_can_name_only_kinds_that_the_user_has_met() -> None:
    one = user(items(("War", 5), ("Drama", 3)), items(("Fable", 1)))
    assert one.held("They love war and fables.", 0) == Held({"war": 1}, frozenset({"war", "fables"}))
    assert one.held("They love war and fables.", 1).kinds == {"war": 1, "fable": 1}


def test_only_pairs_of_equal_standing_count_beyond_level() -> None:
    expected, actual = np.array([5.0, 4.0, 2.0, 1.0]), np.array([4.0, 5.0, 1.0, 2.0])
    above, below = (f"; others rate it {step} their usual" for step in ("above", "below"))
    assert rank_beyond_level(expected, actual, [above, above, below, below]) == 0
    assert rank_beyond_level(expected, actual, [f" (War){above}", f" (Drama){below}", below, below]) == pytest.approx(
        2 / 3
    )
    assert np.isnan(rank_beyond_level(expected, actual, ["", above, below, "; others may rate it above their usual"]))
    assert rank_beyond_level(expected, actual, None) == pytest.approx(4 / 6)


def measures(kinds: dict[str, int] | None, *content: str, residual: float = NAN, beyond: float = NAN) -> UserMeasures:
    return UserMeasures(None if kinds is None else Held(kinds, frozenset(content)), residual, beyond)


def entry(found: Sequence[SubstanceEntry], domain: str, t: int | None, method: str = "refine") -> SubstanceEntry:
    [one] = [one for one in found if (one.domain, one.round, one.method) == (domain, t, method)]
    return one


class TestEntries:
    table = {
        ("one", "a", "refine", 0): measures({}, "x", residual=NAN, beyond=0.5),
        ("one", "a", "refine", 1): measures({"war": 1}, "x", "y", residual=1.0),
        ("one", "b", "refine", 1): measures({"war": 1}, "y", residual=0.5, beyond=1.0),
        ("two", "c", "refine", 1): measures({}, "z", residual=0.25),
        ("one", "a", "no_persona", 0): measures(None, beyond=0.5),
    }
    groups = (DomainGroup("mean", ("one", "two")), DomainGroup("one", ("one",)), DomainGroup("two", ("two",)))
    found = substance_entries(table, groups, 1)

    def test_a_round_is_a_mean_over_users(self) -> None:
        one = entry(self.found, "one", 1)
        assert one.names_kind and (one.names_kind.value, one.names_kind.users) == (1, 2)
        assert one.content_words == 2
        assert one.later_residuals and one.later_residuals.value == 0.75
        assert one.beyond_level and (one.beyond_level.users, one.beyond_level.ci) == (1, (None, None))

    def test_all_rounds_are_the_mean_of_each_users_rounds(self) -> None:
        one = entry(self.found, "one", None)
        assert one.names_kind and one.names_kind.value == 0.75
        assert one.later_residuals and one.later_residuals.value == 0.75
        assert one.content_words == 2

    def test_a_mean_needs_each_domain(self) -> None:
        mean = entry(self.found, "mean", 1)
        assert mean.names_kind and mean.names_kind.value == 0.5
        assert mean.content_words == 1.5
        assert mean.beyond_level is None
        assert not [one for one in self.found if (one.domain, one.round) == ("mean", 0)]

    def test_a_control_without_a_text_holds_nothing(self) -> None:
        one = entry(self.found, "one", 0, "no_persona")
        assert one.names_kind is None and one.content_words is None
        assert one.beyond_level and one.beyond_level.value == 0.5


def test_a_share_has_no_interval_beyond_its_range() -> None:
    table = {("one", f"{i}", "refine", 0): measures({"war": 1} if i else {}) for i in range(6)}
    found = entry(substance_entries(table, [DomainGroup("one", ("one",))], 0), "one", 0)
    assert found.names_kind and found.names_kind.ci[1] == 1


class TestRuns:
    @pytest.fixture
    def run(self, made_run: Callable[..., Path]) -> Path:
        return made_run("substance", methods=("refine", "frozen", "no_persona", "raw_history", "user_median"))

    def test_personas_of_rules_name_kinds_whose_later_ratings_agree(self, run: Path) -> None:
        results = load_run(run).results
        for method in ("refine", "frozen"):
            whole = entry(results.substance, "planted", None, method)
            assert whole.names_kind and whole.names_kind.value == 1
            assert whole.later_residuals and (whole.later_residuals.ci[0] or 0) > 0
            assert whole.beyond_level and (whole.beyond_level.ci[0] or 0) > 0.5
        assert {one.method for one in results.substance} == {"refine", "frozen", "no_persona", "raw_history"}
        without = entry(results.substance, "planted", None, "no_persona")
        assert without.names_kind is None and without.beyond_level and without.beyond_level.value == 0.5

    def test_the_first_persona_is_round_0_of_the_updater(self, run: Path) -> None:
        results = load_run(run).results
        first, frozen = (entry(results.substance, "planted", 0, method) for method in ("refine", "frozen"))
        assert first.model_copy(update={"method": "frozen"}) == frozen

    def test_personas_of_other_users_point_nowhere(self, run: Path) -> None:
        """The same texts, each given to the next user: named kinds are no longer those that please."""
        loaded = load_run(run)
        texts = loaded.personas["text"].to_pylist()
        place = loaded.personas.schema.get_field_index("text")
        moved = loaded.personas.set_column(place, loaded.personas.schema.field(place), pa.array(texts[1:] + texts[:1]))
        own, other = (
            user_measures(personas, loaded.predictions, loaded.windows, loaded.domains, 2, ["refine"])
            for personas in (loaded.personas, moved)
        )
        groups = [DomainGroup("planted", ("planted",))]
        right, wrong = (entry(substance_entries(found, groups, 2), "planted", None) for found in (own, other))
        assert right.later_residuals and wrong.later_residuals
        assert (wrong.later_residuals.value or 0) < (right.later_residuals.value or 0) / 2

    def test_with_item_knowledge_items_of_unequal_standing_are_not_compared(self, run: Path) -> None:
        loaded = load_run(run)
        knowledge = item_knowledge_of("population", loaded.windows, loaded.domains)
        asked: list[int] = []

        def beside(key: Any, k: int, window: Any) -> list[str] | None:
            asked.append(k)
            return knowledge(key, k, window)

        tables = loaded.personas, loaded.predictions, loaded.windows, loaded.domains, 2, ["refine"]
        plain, known = user_measures(*tables), user_measures(*tables, item_knowledge=beside)
        assert set(asked) == {1, 2, 3}
        assert {p: one.held for p, one in plain.items()} == {p: one.held for p, one in known.items()}
        assert [one.beyond_level for one in plain.values()] != [one.beyond_level for one in known.values()]

    def test_train_users_and_failed_predictions_do_not_count(self, tables: Any) -> None:
        windows = pa.Table.from_pylist(
            [
                {"user": name, "domain": "stars", "split": split, "k": k, "items": items(("War", 5), ("Drama", 1))}
                for name, split in (("ann", "eval"), ("bob", "train"))
                for k in (0, 1)
            ],
            schema=WINDOW,
        )
        personas = tables.personas([
            {"method": "initialise", "k": 0, "text": "They love war.", "user": name} for name in ("ann", "bob")
        ])  # fmt: skip
        predictions = tables.predictions([("initialise", "final", 0, 1, None)])
        found = user_measures(personas, predictions, windows, {"stars": STARS}, 0, ["refine"])
        assert list(found) == [("stars", "ann", "refine", 0)]
        [one] = found.values()
        assert one.residual == 2 and np.isnan(one.beyond_level)
