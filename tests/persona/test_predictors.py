from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from persona_cases import DOMAINS, items

from deeper.behaviour.splits import part
from deeper.behaviour.users import Key, Windows
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.persona.calibration import fit_calibration
from deeper.persona.predict import Asked
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.stage import InMemory

NAMES = [("stars", f"user-{i}") for i in range(40)]
VALIDATION = [key for key in NAMES if part(*key) == "validation"][:3]
TRAIN = [key for key in NAMES if part(*key) != "validation"][:6]


def always(label: str) -> ScriptedEngine:
    """A predictor that takes one rating for the likeliest of every item."""

    def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
        return [0.0 if one == label else -2.0 for one in labels]

    return ScriptedEngine(scorer=judge)


def predictors(*users_of: tuple[ScriptedEngine, Sequence[Key] | None]) -> Predictors:
    engines = [engine for engine, _ in users_of]
    users = [None if keys is None else frozenset(keys) for _, keys in users_of]
    return Predictors(engines, users, load_prompts(), DOMAINS, "distribution", 1)


def windows_of(rating: Callable[[Key], float], keys: Sequence[Key]) -> Windows:
    """Two windows of five ratings a user, all the same."""
    return {
        key: [items([f"{key[1]} cove {k}{i}" for i in range(5)], [rating(key)] * 5) for k in (0, 1)] for key in keys
    }


def asked(windows: Windows) -> list[Asked]:
    """W_1 of each user."""
    names: list[dict[str, Any]] = [{"id": user, "user": user, "domain": domain, "text": ""} for domain, user in windows]
    return [(row, {1: windows[row["domain"], row["user"]][1]}) for row in names]


def points(table: pa.Table) -> dict[Key, float]:
    """The rating that is predicted of every item of a user."""
    found: dict[Key, float] = {}
    for row in table.to_pylist():
        [found[row["domain"], row["user"]]] = set(row["points"])
    return found


def test_each_user_is_read_by_its_own_predictor() -> None:
    low, high = always("1"), always("5")
    windows = windows_of(lambda key: 3.0, TRAIN)
    table = predictors((low, TRAIN[::2]), (high, TRAIN[1::2])).predict(InMemory(), "predict-0", asked(windows))
    assert points(table) == {key: 5.0 if i % 2 else 1.0 for i, key in enumerate(TRAIN)}
    assert (len(low.asked), len(high.asked)) == (3, 3), "no predictor is asked about users of the other"
    assert [row["user"] for row in table.to_pylist()] == [user for _, user in TRAIN[::2] + TRAIN[1::2]]


def test_one_predictor_can_read_all_users() -> None:
    windows = windows_of(lambda key: 3.0, TRAIN)
    table = predictors((always("2"), None)).predict(InMemory(), "predict-0", asked(windows))
    assert points(table) == dict.fromkeys(TRAIN, 2.0)


def test_the_planned_rows_are_those_that_each_predictor_reads() -> None:
    several = predictors((always("1"), TRAIN[:2]), (always("5"), TRAIN[2:]))
    planned = several.planned("predict-0", [*TRAIN, TRAIN[0]])
    assert [(stage.name, stage.rows) for stage in planned] == [("predict-0", 3), ("predict-0", 4)]


def test_each_predictor_has_the_map_of_its_own_users() -> None:
    low, high = TRAIN[:3], TRAIN[3:]
    windows = windows_of(lambda key: 2.0 if key in low else 4.0, TRAIN)
    several = predictors((always("1"), low), (always("5"), high))
    raw = several.predict(InMemory(), "predict-0", asked(windows))
    calibrated = several.fit(raw, windows).calibrate(raw, DOMAINS)
    assert points(calibrated) == {**dict.fromkeys(low, 2.0), **dict.fromkeys(high, 4.0)}
    assert set(calibrated["calibrated"].to_pylist()) == {"domain"}


def test_validation_users_shape_no_map_and_are_calibrated_by_the_others() -> None:
    windows = windows_of(lambda key: 1.0 if key in VALIDATION else 4.0, TRAIN + VALIDATION)
    one = predictors((always("3"), None))
    raw = one.predict(InMemory(), "predict-0", asked(windows))
    calibrated = one.fit(raw, windows).calibrate(raw, DOMAINS)
    train = raw.filter(pa.array([part(row["domain"], row["user"]) != "validation" for row in raw.to_pylist()]))
    assert calibrated == fit_calibration(train, windows, DOMAINS).calibrate(raw, DOMAINS)
    assert calibrated != fit_calibration(raw, windows, DOMAINS).calibrate(raw, DOMAINS)
    assert points(calibrated) == dict.fromkeys(TRAIN + VALIDATION, 4.0)


def test_a_predictor_with_validation_users_alone_is_not_calibrated() -> None:
    windows = windows_of(lambda key: 4.0, TRAIN + VALIDATION)
    several = predictors((always("3"), VALIDATION), (always("3"), TRAIN))
    raw = several.predict(InMemory(), "predict-0", asked(windows))
    calibrated = several.fit(raw, windows).calibrate(raw, DOMAINS)
    assert points(calibrated) == {**dict.fromkeys(VALIDATION, 3.0), **dict.fromkeys(TRAIN, 4.0)}
