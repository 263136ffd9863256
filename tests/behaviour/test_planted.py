from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.check import kind_of
from deeper.behaviour.planted.plant import (
    KINDS,
    PLANTED,
    TRUTH,
    Planted,
    expected_rating,
    liked_at,
    plant_users,
    planted_persona,
    write_planted,
)
from deeper.behaviour.schema import BEHAVIOUR
from deeper.behaviour.windows import strings, to_windows
from deeper.domains import Domain, Scale
from deeper.domains.levels import LADDER, share_words, verdict_words, words_share
from deeper.domains.taste_words import DRIFTS, Taste, in_words, read_tastes
from deeper.engine import Prompt
from deeper.engine.scripted.taste import taste_scores
from deeper.errors import UserError
from deeper.measure.metrics import weighted_median
from deeper.persona.leaks import find_leaks

WHOLE = Domain("whole", "Whole stars", "film", Scale(1, 5, 1))
USERS, WINDOWS = 60, 7
Floats = NDArray[np.float64]


@pytest.fixture(scope="module", params=[PLANTED, WHOLE], ids=["half steps", "whole steps"])
def planted(request: pytest.FixtureRequest) -> Planted:
    return plant_users(USERS, WINDOWS, 5, request.param)


def ratings(planted: Planted) -> Floats:
    """Shape (users, windows, items)."""
    return planted.behaviour["rating"].to_numpy().astype(np.float64).reshape(USERS, WINDOWS, -1)


def test_tables(planted: Planted) -> None:
    assert planted.behaviour.schema.equals(BEHAVIOUR)
    assert planted.truth.schema.equals(TRUTH)
    assert planted.behaviour.num_rows == USERS * WINDOWS * 10
    assert all(planted.domain.accepts(rating) for rating in planted.behaviour["rating"].to_pylist())
    windows = to_windows(planted.behaviour, split=lambda user: "eval")
    assert windows.num_rows == USERS * WINDOWS


def test_the_kind_in_the_title_is_the_category(planted: Planted) -> None:
    kinds = [[kind_of(title)] for title in strings(planted.behaviour, "title")]
    assert planted.behaviour["categories"].to_pylist() == kinds
    assert {kind for [kind] in kinds} == set(KINDS)


def test_the_users_of_a_seed_never_change() -> None:
    names = ("user", "item", "title", "rating", "time", "position")
    rows = [tuple(row[name] for name in names) for row in plant_users(5, 3, 7).behaviour.to_pylist()]
    assert sha256(repr(rows).encode()).hexdigest() == "e31ae5ae28a4af411c52da9b5c43ddb64106c7f91d77c839d8e3e6e72643b653"


def test_no_user_meets_an_item_twice(planted: Planted) -> None:
    pairs = set(zip(strings(planted.behaviour, "user"), strings(planted.behaviour, "title"), strict=True))
    assert len(pairs) == planted.behaviour.num_rows


def test_a_title_names_one_kind(planted: Planted) -> None:
    for title in strings(planted.behaviour, "title"):
        assert sum(kind in title for kind in KINDS) == 1


def test_the_expected_ratings_are_the_formula(planted: Planted) -> None:
    rows = planted.truth.to_pylist()
    titles = np.array(strings(planted.behaviour, "title")).reshape(USERS, -1)
    scale = planted.domain.scale
    for row, own in zip(rows, titles, strict=True):
        taste = {kind: row["spread"] for kind in row["liked"]} | {kind: -row["spread"] for kind in row["disliked"]}
        for position in (0, 35, 69):
            k = position // 10
            kind = own[position].rsplit(" ", 1)[1]
            shift = taste.get(kind, 0.0)
            if row["turn"] is not None and k >= row["turn"] and kind == row["liked"][0]:
                shift = 0.0
            value = row["level"] + DRIFTS[row["drift"]] * scale.step * k + shift
            clipped = min(max(value, scale.minimum), scale.maximum)
            assert row["expected"][position] == pytest.approx(clipped, abs=1e-5)


def test_the_noise_has_the_given_width() -> None:
    planted = plant_users(USERS, WINDOWS, 5, noise_steps=0.8)
    expected = np.array(planted.truth["expected"].to_pylist()).reshape(USERS, WINDOWS, -1)
    inside = (expected > 1.5) & (expected < 4)
    residual = (ratings(planted) - expected)[inside] / PLANTED.scale.step
    assert abs(residual.mean()) < 0.05
    assert residual.std() == pytest.approx(np.hypot(0.8, 1 / np.sqrt(12)), abs=0.05)


def test_without_noise_the_rating_is_the_rounded_expectation() -> None:
    planted = plant_users(USERS, WINDOWS, 5, noise_steps=0.0)
    expected = np.array(planted.truth["expected"].to_pylist(), np.float64)
    difference = np.abs(ratings(planted).reshape(USERS, -1) - expected)
    assert difference.max() <= PLANTED.scale.step / 2 + 1e-5


def test_all_that_can_be_planted_is_planted(planted: Planted) -> None:
    rows = planted.truth.to_pylist()
    assert {row["drift"] for row in rows} == set(DRIFTS)
    assert {row["turn"] is None for row in rows} == {True, False}
    assert all(not set(row["liked"]) & set(row["disliked"]) for row in rows)


def test_the_same_arguments_make_the_same_users() -> None:
    few, more = plant_users(3, 4, 9), plant_users(6, 4, 9)
    assert few == plant_users(3, 4, 9)
    assert more.truth.slice(0, 3).equals(few.truth)
    assert more.behaviour.slice(0, 120).equals(few.behaviour)
    assert not plant_users(3, 4, 10).behaviour["rating"].equals(few.behaviour["rating"])


class TestFiles:
    def test_what_is_written_is_read_back(self, planted: Planted, tmp_path: Path) -> None:
        write_planted(planted, tmp_path / "new/users")
        loaded = load_windows(str(tmp_path / "new/users"))
        assert loaded.domains == {planted.domain.id: planted.domain}
        assert loaded.notes == []
        split = dict(zip(strings(loaded.windows, "user"), strings(loaded.windows, "split"), strict=True))
        assert loaded.windows.equals(to_windows(planted.behaviour, split=split))
        assert pq.read_table(tmp_path / "new/users/truth.parquet").equals(planted.truth)

    def test_the_whole_domain_is_written(self, tmp_path: Path) -> None:
        domain = replace(WHOLE, name='"Quoted" \\ Thé', unrated=(0.0,))
        write_planted(plant_users(2, 2, 1, domain), tmp_path)
        assert load_windows(str(tmp_path)).domains == {"whole": domain}

    def test_equal_users_give_equal_files(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_planted(plant_users(3), tmp_path / name)
        for name in ("behaviour.parquet", "truth.parquet", "domain.toml"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_a_folder_that_holds_something_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(UserError, match="the folder is not empty"):
            write_planted(plant_users(2), tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_nothing_half_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*arguments: Any, **options: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(UserError, match="cannot be written .No space left on device."):
            write_planted(plant_users(2), tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(UserError, match="cannot be written"):
            write_planted(plant_users(2), tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


class TestWords:
    def test_every_half_step_has_words_of_its_own(self, planted: Planted) -> None:
        scale = planted.domain.scale
        halves = np.arange(scale.minimum, scale.maximum + 0.01, scale.step / 2)
        words = [verdict_words(value, scale) for value in halves]
        assert len(set(words)) == 2 * len(scale.values) - 1
        assert words[0] == LADDER[0] and words[-1] == LADDER[-1]
        assert words[1].startswith("between dreadful and ")
        assert verdict_words(scale.maximum + 1, scale) == LADDER[-1]
        assert verdict_words(scale.minimum - 1, scale) == LADDER[0]

    def test_words_of_a_share_are_those_of_a_scale_of_ten_values(self) -> None:
        scale = PLANTED.scale
        for value in np.arange(scale.minimum, scale.maximum + 0.01, scale.step / 2):
            share = (value - scale.minimum) / (scale.maximum - scale.minimum)
            assert share_words(share) == verdict_words(value, scale)
            assert words_share(share_words(share)) == pytest.approx(share)
        assert (share_words(-1), share_words(2)) == (LADDER[0], LADDER[-1])
        assert words_share("purple") is None and words_share("between good and purple") is None

    def test_what_is_written_of_a_taste_is_read_again(self) -> None:
        tastes = [
            Taste(0.5, {"fable": 8 / 9, "satire": 8 / 9, "western": 1 / 18}, "warms quickly"),
            Taste(1 / 3, {}, ""),
        ]
        said = [in_words(taste) for taste in tastes]
        found = read_tastes(f"Before.\n{said[0]}\n\nBetween. {said[1]} Behind.")
        assert [(taste.kinds.keys(), taste.mood) for taste in found] == [(t.kinds.keys(), t.mood) for t in tastes]
        for one, other in zip(found, tastes, strict=True):
            assert one.level == pytest.approx(other.level)
            assert one.kinds == pytest.approx(other.kinds)
        short = in_words(tastes[0], most_words=18)
        assert "fable, satire" in short and "western" not in short and len(short.split()) <= 18

    def test_the_truth_is_told_in_words_only(self, planted: Planted) -> None:
        titles = strings(planted.behaviour, "title")
        for number, row in enumerate(planted.truth.to_pylist()):
            for k in range(WINDOWS):
                persona = planted_persona(row, k, planted.domain.scale)
                assert not any(character.isdigit() for character in persona)
                assert find_leaks(persona, titles[number * 70 + k * 10 :][:10]) == []

    def test_nothing_of_a_later_turn_is_told(self, planted: Planted) -> None:
        row = next(row for row in planted.truth.to_pylist() if row["turn"] is not None and row["turn"] > 1)
        k, kind = row["turn"], row["liked"][0]
        still = {**row, "turn": None}
        scale = planted.domain.scale
        assert planted_persona(row, k - 1, scale) == planted_persona(still, k - 1, scale)
        assert kind in liked_at(row, k - 1) and kind not in liked_at(row, k)
        assert kind.lower() in planted_persona(row, k - 1, scale)
        assert kind.lower() not in planted_persona(row, k, scale)

    def test_the_reader_reads_each_half_step(self, planted: Planted) -> None:
        scale = planted.domain.scale
        for share in np.arange(2, 17) / 18:
            value = scale.minimum + share * (scale.maximum - scale.minimum)
            prompt = Prompt("", f"About:\nThis person's usual verdict is {share_words(share)}.\nWhich score?")
            scores = taste_scores(prompt, '"The Paper Violin: A Fable"', scale.labels)
            assert np.exp(scores).sum() == pytest.approx(1)
            nearest = np.abs(scale.values - value).min()
            best = scale.values[scores >= scores.max() - 1e-9]
            assert np.abs(best - value) == pytest.approx(np.full(len(best), nearest), abs=1e-6)
            assert len(best) == (2 if nearest == pytest.approx(scale.step / 2) else 1)

    def test_kind_and_mood_move_the_reading(self) -> None:
        scale = WHOLE.scale
        text = "The usual verdict is between mediocre and fair. The verdict on satire, fable is superb."
        text += " The verdict on western is bad."

        def best(mood: str, title: str) -> float:
            scores = taste_scores(Prompt("", f"{text} The mood is {mood}."), title, scale.labels)
            return float(np.exp(scores) @ scale.values)

        assert best("steady", "The Paper Violin: A Romance") == pytest.approx(3)
        assert best("steady", '"the paper violin: a fable"') > 4.4
        assert best("steady", "The Paper Violin: A Western") < 2.2
        moods = [best(mood, "The Paper Violin: A Romance") for mood in DRIFTS]
        assert moods == sorted(moods) and len(set(moods)) == len(moods)

    @pytest.mark.parametrize("persona", ["", "Nothing is known.", "The usual verdict is purple.", "Good films."])
    def test_without_words_that_it_knows_the_reader_says_nothing(self, persona: str) -> None:
        scores = taste_scores(Prompt("", persona), "The Paper Violin: A Fable", WHOLE.scale.labels)
        assert scores == pytest.approx(np.full(5, -np.log(5)))

    def test_nothing_but_the_text_matters(self) -> None:
        scale = WHOLE.scale
        prompt = Prompt("system", "The usual verdict is good.")
        title = "The Paper Violin: A Fable"
        first = taste_scores(prompt, title, scale.labels)
        assert np.array_equal(taste_scores(replace(prompt, system="other"), title, scale.labels), first)
        assert taste_scores(prompt, title, scale.labels[::-1])[::-1] == pytest.approx(first)


def read_errors(planted: Planted, whose: NDArray[np.int64]) -> Floats:
    """Absolute errors on W_{k+1} of what the reader makes of user `whose[u]`'s truth in W_k; shape (users,)."""
    scale = planted.domain.scale
    rows = planted.truth.to_pylist()
    titles = np.array(strings(planted.behaviour, "title")).reshape(USERS, WINDOWS, -1)
    actual = ratings(planted)
    errors = np.empty((USERS, WINDOWS - 1))
    for user, other in enumerate(whose):
        for k in range(WINDOWS - 1):
            prompt = Prompt("", f"About the person:\n{planted_persona(rows[other], k, scale)}\n\nWhich score?")
            scores = np.array([taste_scores(prompt, title, scale.labels) for title in titles[user, k + 1]])
            points = weighted_median(np.exp(scores), scale.values)
            errors[user, k] = np.abs(points - actual[user, k + 1]).mean()
    return errors.mean(axis=1)


def median_errors(planted: Planted) -> Floats:
    """Absolute errors on W_{k+1} of the user's median over W_0 … W_k; shape (users,)."""
    actual = ratings(planted)
    medians = np.stack([np.median(actual[:, : k + 1], axis=(1, 2)) for k in range(WINDOWS - 1)], axis=1)
    return np.abs(medians[:, :, None] - actual[:, 1:]).mean(axis=(1, 2))


def interval(differences: Floats) -> Floats:
    """95 % bootstrap interval of the mean over users; shape (2,)."""
    draws = np.random.default_rng(0).integers(0, len(differences), (2000, len(differences)))
    return np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])


class TestControls:
    def test_the_oracle_beats_the_user_median(self, planted: Planted) -> None:
        low, high = interval(read_errors(planted, np.arange(USERS)) - median_errors(planted))
        assert high < -0.2
        assert low > -1

    def test_another_users_truth_does_not(self, planted: Planted) -> None:
        shuffled = np.roll(np.arange(USERS), 1)
        low, _ = interval(read_errors(planted, shuffled) - median_errors(planted))
        assert low > 0

    def test_no_reader_is_below_the_noise(self, planted: Planted) -> None:
        scale = planted.domain.scale
        expected = np.array(planted.truth["expected"].to_pylist()).reshape(USERS, WINDOWS, -1)
        floor = np.abs(scale.round(expected) - ratings(planted))[:, 1:].mean()
        assert read_errors(planted, np.arange(USERS)).mean() > 0.9 * floor

    def test_the_expected_rating_needs_no_window_but_its_own(self) -> None:
        row = plant_users(1).truth.to_pylist()[0]
        assert expected_rating({**row, "turn": None}, row["liked"][0], 0, PLANTED.scale) == pytest.approx(
            min(row["level"] + row["spread"], 5.0)
        )
