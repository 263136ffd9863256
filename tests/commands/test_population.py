import pyarrow as pa
import pytest

from deeper.behaviour.load import Loaded
from deeper.behaviour.schema import WINDOW
from deeper.behaviour.splits import part, user_hash
from deeper.commands.evaluate import plan as evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population import choose_population, notes_on_skipped, on_validation
from deeper.domains import Domain, Scale
from deeper.errors import UserError

STARS = Domain("stars", "Stars", "pebble", Scale(1, 5, 1))
ITEM = {"item": "i", "title": "Grey pebble", "categories": [], "rating": 4.0, "time": None}


def data() -> Loaded:
    rows = [
        {"user": f"{split}-{i}", "domain": "stars", "split": split, "k": k, "items": [ITEM]}
        for split, count in (("eval", 4), ("train", 30))
        for i in range(count)
        for k in range(2)
    ]
    return Loaded(pa.Table.from_pylist(rows, schema=WINDOW), {"stars": STARS}, [], "here")


def test_validation_users_take_the_place_of_eval_users() -> None:
    chosen = choose_population(on_validation(data()), 100, 100)
    train = [f"train-{i}" for i in range(30)]
    assert {user for _, user in chosen.eval} == {user for user in train if part("stars", user) == "validation"} != set()
    assert {user for _, user in chosen.calibration} == {u for u in train if part("stars", u) != "validation"} != set()
    assert not any(user.startswith("eval") for user in chosen.table["user"].to_pylist())


def test_users_that_the_predictor_was_trained_on_calibrate_nothing() -> None:
    every = choose_population(data(), 2, 5)
    known = [user for _, user in every.calibration][:3]
    chosen = choose_population(data(), 2, 5, frozenset(user_hash("stars", user) for user in known))
    assert len(chosen.calibration) == 5
    assert not {user for _, user in chosen.calibration} & set(known)
    assert chosen.eval == every.eval
    assert chosen.table == every.table


@pytest.mark.parametrize("role", ["policy", "predictor"])
def test_users_that_an_adapter_has_learnt_are_not_judged(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = frozenset({user_hash("stars", "ann")})
    monkeypatch.setattr(evaluate, "_trained_on", lambda engine, adapter: learnt if adapter else frozenset())
    settings = Settings.model_validate({f"{role}_adapter": "somewhere"})
    evaluate._check_unseen([("stars", "bob"), ("stones", "ann")], settings)
    with pytest.raises(UserError, match=f"the {role}'s adapter was trained on 1 of the users") as caught:
        evaluate._check_unseen([("stars", "bob"), ("stars", "ann")], settings)
    assert caught.value.where == "somewhere"


def domains_of(**users: int) -> Loaded:
    """Data with so many eval users in each domain."""
    rows = [
        {"user": f"{i}", "domain": name, "split": "eval", "k": k, "items": [ITEM]}
        for name, count in users.items()
        for i in range(count)
        for k in range(2)
    ]
    return Loaded(pa.Table.from_pylist(rows, schema=WINDOW), {}, [], "here")


def test_skipped_users_are_those_of_a_run_with_so_many_users() -> None:
    first, second, both = (choose_population(data(), n, 5, skip=skip) for n, skip in ((2, 0), (2, 2), (4, 0)))
    assert not first.eval.keys() & second.eval.keys() and len(second.eval) == 2
    assert {*first.eval, *second.eval} == {*both.eval}
    assert first.calibration == second.calibration
    judged = {user for user in second.table["user"].to_pylist() if user.startswith("eval")}
    assert judged == {user for _, user in second.eval}, "nothing is known of users that are passed over"
    assert len(choose_population(data(), 4, 5, skip=3).eval) == 1


def test_readers_are_told_of_skipped_users_and_of_domains_without_others() -> None:
    loaded = domains_of(stars=5, coves=2, capes=3)
    assert notes_on_skipped(loaded, 0, "eval") == notes_on_skipped(domains_of(), 3, "eval") == []
    [said] = notes_on_skipped(loaded, 1, "eval")
    assert said == "users: skips the first 1 of each domain, which a run with --users 1 judges"
    assert notes_on_skipped(loaded, 3, "eval")[1:] == [
        "users: none left in capes, which has 3",
        "users: none left in coves, which has 2",
    ]


@pytest.mark.parametrize(("split", "whose"), [("eval", "eval users"), ("all", "users")])
def test_a_run_that_skips_all_users_is_refused(split: str, whose: str) -> None:
    with pytest.raises(UserError, match=rf"no domain has more than 5 {whose}[.]") as caught:
        notes_on_skipped(domains_of(stars=5, coves=2), 5, split)
    assert caught.value.where == "skip_users = 5" and "--skip-users 4 or fewer" in caught.value.do
