"""`compare_runs` and `deeper compare`: paired differences, seeds, windows in common, and what is refused."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deeper import compare_runs, load_run
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from deeper.errors import UserError
from deeper.evaluation.runs.compared import ComparedEntry, Comparison
from deeper.measure.holm import holm
from deeper.measure.intervals import mean_interval
from deeper.report.compared_figure import comparison_figure

MakeRun = Callable[..., Path]


def users_mae(folder: Path, method: str, t: int) -> Mapping[str, float]:
    errors = pq.read_table(folder / "errors.parquet")
    rows = errors.filter((pc.field("method") == method) & (pc.field("round") == t)).to_pylist()
    assert len(rows) > 5
    return {row["user"]: row["mae"] for row in rows}


def entry(comparison: Comparison, setting: str, method: str, t: int = 2) -> ComparedEntry:
    keys = (setting, method, t)
    [found] = [one for one in comparison.entries if (one.setting, one.method, one.round) == keys]
    return found


@pytest.fixture(scope="module")
def long(made_run: MakeRun) -> Path:
    return made_run("long")


@pytest.fixture(scope="module")
def short(made_run: MakeRun) -> Path:
    """Personas of at most 16 words."""
    return made_run("short", max_persona_tokens=16)


def test_each_method_is_paired_with_the_same_of_the_first_run(long: Path, short: Path) -> None:
    comparison = compare_runs([long, short])
    assert comparison.reference == "the same method of long" and comparison.notes == []
    for method in ("refine", "frozen"):
        there, here = users_mae(long, method, 2), users_mae(short, method, 2)
        found = entry(comparison, "short", method)
        differences = np.array([here[user] - there[user] for user in sorted(here)])
        interval = mean_interval(differences)
        assert found.difference and found.difference.value == pytest.approx(interval.mean, abs=1e-6)
        assert found.difference.ci == pytest.approx((interval.low, interval.high), abs=1e-6)
        assert found.difference.improved == pytest.approx((differences < 0).mean(), abs=1e-6)
        assert found.mae == pytest.approx(np.mean(list(here.values())), abs=1e-6)
        assert (found.users, found.difference.users) == (len(here), len(here))
        assert entry(comparison, "long", method).difference is None
    refined = entry(comparison, "short", "refine").difference
    assert refined and refined.ci[0] and refined.ci[0] > 0, "less room for words costs accuracy"
    assert {one.round for one in comparison.entries} == {0, 1, 2}
    [first, second] = comparison.settings
    assert (first.differs, second.differs) == ({"max_persona_tokens": 120}, {"max_persona_tokens": 16})


@pytest.mark.parametrize("name", ["long", "path"])
def test_everything_is_paired_with_a_chosen_method_of_a_chosen_run(long: Path, short: Path, name: str) -> None:
    comparison = compare_runs([short, load_run(long)], f"{long if name == 'path' else name}:frozen")
    assert comparison.reference == "frozen of long"
    there, here = users_mae(long, "frozen", 2), users_mae(short, "no_persona", 2)
    found = entry(comparison, "short", "no_persona").difference
    assert found and (found.setting, found.method) == ("long", "frozen")
    assert found.value == pytest.approx(np.mean([here[user] - there[user] for user in here]), abs=1e-6)
    assert entry(comparison, "long", "frozen").difference is None
    assert entry(comparison, "short", "frozen").difference is not None


def test_one_run_is_compared_with_a_method_of_its_own(long: Path) -> None:
    comparison = compare_runs([long], "long:user_median")
    found = entry(comparison, "long", "refine").difference
    [told] = [
        one
        for one in load_run(long).results.paired
        if (one.method, one.against, one.round) == ("refine", "user_median", 2)
    ]
    assert found and (found.value, found.ci, found.improved) == (told.difference, told.ci, told.improved)
    assert (found.p_value, found.crps and found.crps.difference) == (told.p_value, told.crps and told.crps.difference)


def test_p_values_allow_for_every_difference_of_the_round(long: Path, short: Path) -> None:
    comparison = compare_runs([long, short], "long:user_median")
    table = [one.difference for one in comparison.entries if one.round == 2 and one.difference]
    baselines = [one for one in comparison.entries if (one.round, one.prediction) == (2, "none") and one.difference]
    assert [one.setting for one in baselines] == ["short"], "the reference itself is no difference"
    counted = [one for one in table if one is not baselines[0].difference]
    assert [one.p_adjusted for one in counted] == pytest.approx(holm([one.p_value or 0.0 for one in counted]), abs=1e-5)
    assert baselines[0].difference and baselines[0].difference.p_adjusted is None, "the same for every setting"


def test_runs_that_differ_only_in_their_seed_are_pooled_by_user(made_run: MakeRun, long: Path) -> None:
    seeds = [made_run(f"searched-{seed}", search_n=2, seed=seed) for seed in (1, 2, 3)]
    comparison = compare_runs([long, *seeds])
    assert [(one.name, one.seeds) for one in comparison.settings] == [("long", [1]), ("searched", [1, 2, 3])]
    maes = [users_mae(folder, "refine", 2) for folder in seeds]
    means = [np.mean(list(own.values())) for own in maes]
    assert len(set(means)) == 3
    found = entry(comparison, "searched", "refine")
    assert found.mae_by_seed == pytest.approx(means, abs=1e-6)
    there = users_mae(long, "refine", 2)
    differences = np.array([np.mean([own[user] for own in maes]) - there[user] for user in sorted(there)])
    interval = mean_interval(differences)
    assert found.difference and found.difference.value == pytest.approx(interval.mean, abs=1e-6)
    assert found.difference.ci == pytest.approx((interval.low, interval.high), abs=1e-6)
    assert found.difference.by_seed == pytest.approx(np.array(means) - np.mean(list(there.values())), abs=1e-6)


def test_seeds_of_both_settings_are_compared_seed_by_seed(made_run: MakeRun) -> None:
    old = [made_run(f"searched-{seed}", search_n=2, seed=seed) for seed in (1, 2)]
    new = [made_run(f"wider-{seed}", search_n=3, seed=seed) for seed in (1, 2)]
    found = entry(compare_runs([*old, *new]), "wider", "refine")
    means = [[np.mean(list(users_mae(folder, "refine", 2).values())) for folder in some] for some in (old, new)]
    assert found.difference and found.difference.by_seed == pytest.approx(np.subtract(means[1], means[0]), abs=1e-6)


def test_runs_of_one_setting_and_seed_stand_for_themselves(long: Path, tmp_path: Path) -> None:
    shutil.copytree(long, tmp_path / "again")
    comparison = compare_runs([long, tmp_path / "again"])
    assert [one.name for one in comparison.settings] == ["long", "again"]
    assert comparison.notes == [
        "long, again: these have the same settings, and some the same seed; each stands for itself"
    ]
    found = entry(comparison, "again", "refine").difference
    assert found and found.value == 0


def test_only_windows_that_all_runs_judge_count_and_the_rest_is_told(made_run: MakeRun, long: Path) -> None:
    few, quick = made_run("few", users=6), made_run("quick", rounds=1)
    comparison = compare_runs([long, few, quick])
    everybody = len(users_mae(long, "frozen", 1))
    assert comparison.rounds == 1 and comparison.users == {"planted": 6} and everybody > 6
    assert comparison.notes == [
        f"long: {3 * everybody - 12} of {3 * everybody} windows are left out, since not all runs judge them",
        "few: 6 of 18 windows are left out, since not all runs judge them",
        f"quick: {2 * everybody - 12} of {2 * everybody} windows are left out, since not all runs judge them",
    ]
    there, here = users_mae(long, "refine", 1), users_mae(few, "refine", 1)
    found = entry(comparison, "long", "refine", 1)
    assert found.users == 6 and found.mae == pytest.approx(np.mean([there[user] for user in here]), abs=1e-6)


def test_a_user_with_other_ratings_counts_up_to_the_first_of_them(
    made_run: MakeRun, long: Path, planted_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(planted_data, tmp_path / "data")
    changed = sorted(users_mae(long, "frozen", 0))[0]
    table = pq.read_table(tmp_path / "data" / "behaviour.parquet")
    rows = table.to_pylist()
    for row in rows:
        if row["user"] == changed and row["position"] == 25:
            row["rating"] = 5.0 if row["rating"] < 5 else 0.5
    pq.write_table(table.from_pylist(rows, schema=table.schema), tmp_path / "data" / "behaviour.parquet")
    comparison = compare_runs([long, made_run("edited", data=str(tmp_path / "data"))])
    everybody = len(users_mae(long, "frozen", 0))
    assert [entry(comparison, "long", "frozen", t).users for t in range(3)] == [everybody, everybody - 1, everybody - 1]
    assert comparison.notes[0] == "users with other ratings in one run than in another, left out from there on: 1"


def test_runs_without_a_window_in_common_are_refused(made_run: MakeRun, long: Path, tmp_path: Path) -> None:
    write_planted(plant_users(40, 5, seed=9), tmp_path / "others")
    others = made_run("others", data=str(tmp_path / "others"))
    with pytest.raises(UserError, match="judge no window in common") as caught:
        compare_runs([long, others])
    assert caught.value.where == "long, others"


def test_a_method_without_a_result_is_told(made_run: MakeRun, long: Path) -> None:
    wider = made_run("more", methods=("refine", "matrix_factorisation", "frozen"))
    run = load_run(wider)
    missing = [one.method for one in run.results.not_available]
    notes = compare_runs([long, run]).notes
    assert notes == ([f"more: no result of {', '.join(missing)}"] if missing else [])


@pytest.mark.parametrize(
    ("reference", "problem", "advice"),
    [
        ("nowhere", "no run is called 'nowhere'", "choose from long, short"),
        ("long:refin", "long has no result of 'refin'", "choose from user_median, no_persona, frozen, refine"),
    ],
)
def test_an_unknown_reference_is_refused_with_those_there_are(
    long: Path, short: Path, reference: str, problem: str, advice: str
) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        compare_runs([long, short], reference)
    assert advice in caught.value.do


def test_what_cannot_be_compared_is_refused(made_run: MakeRun, long: Path) -> None:
    with pytest.raises(UserError, match="nothing to be compared with but its own methods") as caught:
        compare_runs([long])
    assert "long:METHOD, with one of user_median, no_persona, frozen, refine" in caught.value.do
    with pytest.raises(UserError, match="the run is given twice"):
        compare_runs([long, long / ".." / "long"])
    with pytest.raises(UserError, match="there is no run to compare"):
        compare_runs([])
    other = made_run("regenerated", methods=("full_regeneration",))
    with pytest.raises(UserError, match="nothing has a counterpart in long") as caught:
        compare_runs([long, other])
    assert "long:METHOD" in caught.value.do


class TestCommand:
    @pytest.fixture
    def compare(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
        def call(*words: object) -> tuple[int, str, str]:
            monkeypatch.setattr("sys.argv", ["deeper", "compare", *map(str, words)])
            code = _run()
            return code, *capsys.readouterr()

        return call

    def test_the_table_has_every_figure(self, compare: Any, long: Path, short: Path, made_run: MakeRun) -> None:
        seeds = [made_run(f"searched-{seed}", search_n=2, seed=seed) for seed in (1, 2, 3)]
        code, out, _ = compare(long, short, *seeds, "--reference", "long:frozen")
        assert code == 0
        comparison = compare_runs([long, short, *seeds], "long:frozen")
        lines = [line.rstrip() for line in out.splitlines()]
        for one in comparison.shown():
            section = lines[lines.index(one.setting) :]
            line = next(part for part in section if part.startswith(f"  {one.method} "))
            assert f"{one.mae:.3f}" in line
            if one.difference:
                low, high = one.difference.ci
                assert f"{one.difference.value:+.3f}" in line and f"{low:+.3f}..{high:+.3f}" in line
                if len(one.difference.by_seed) > 1:
                    spread = one.difference.by_seed
                    assert f"{min(spread):+.3f}..{max(spread):+.3f}" in line
        assert out.count("user_median") == 1, "a baseline needs no model: the first setting's is shown"
        for said in ("seeds 1, 2, 3", "max_persona_tokens = 16", "Differences are to frozen of long", "tell updaters"):
            assert said in " ".join(out.split())

    def test_json_goes_to_the_terminal_or_a_file(self, compare: Any, long: Path, short: Path, tmp_path: Path) -> None:
        told = compare_runs([long, short]).as_json()
        assert json.loads(compare(long, short, "--json")[1]) == told
        code, out, _ = compare(long, short, "--out", tmp_path / "new" / "found.json")
        assert code == 0 and f"Wrote {tmp_path / 'new' / 'found.json'}" in out
        assert json.loads((tmp_path / "new" / "found.json").read_text("utf-8")) == told

    def test_figures_are_drawn(self, compare: Any, long: Path, short: Path, tmp_path: Path) -> None:
        files = [tmp_path / "found.png", tmp_path / "found.svg"]
        assert compare(long, short, "--out", files[0], "--out", files[1])[0] == 0
        assert files[0].read_bytes().startswith(b"\x89PNG")
        assert ElementTree.fromstring(files[1].read_bytes()).tag.endswith("svg")
        assert files[1].read_bytes() == comparison_figure(compare_runs([long, short]), "svg")

    def test_an_unknown_kind_of_file_is_refused(self, compare: Any, long: Path, short: Path, tmp_path: Path) -> None:
        code, _, err = compare(long, short, "--out", tmp_path / "found.pdf")
        assert code == 2 and "end its name in .json, .png, .svg" in err

    def test_a_folder_that_is_no_run_is_refused(self, compare: Any, long: Path, tmp_path: Path) -> None:
        code, _, err = compare(long, tmp_path)
        assert code == 2 and str(tmp_path) in err and "give the folder of such a run" in err


def test_a_method_that_is_not_installed_is_drawn_too(long: Path, short: Path) -> None:
    comparison = compare_runs([long, short])
    mine = [one.model_copy(update={"method": "mine"}) for one in comparison.entries if one.method == "refine"]
    assert comparison_figure(comparison.model_copy(update={"entries": mine}), "png").startswith(b"\x89PNG")
