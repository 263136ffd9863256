"""`--ratings`: one file in, a first look, personas and a report out; on any scale, for any number of users."""

import json
import re
import tomllib
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from command_line import SCRIPTED, CommandLine

from deeper.cli.main import cli
from deeper.cli.options import own_ratings
from deeper.commands.evaluate.estimate import RunEstimate
from deeper.domains import Domain, Scale, load_domain
from deeper.domains.toml_text import domain_toml

ONE_ROUND = ("--rounds", "1", "--out", "run", *SCRIPTED)


def ratings(path: str, rating: Callable[[int], object], users: int = 3, count: int = 30) -> str:
    lines = [
        f"u{user},Cove {number},{rating(7 * user + number)},{1_600_000_000 + 3600 * number}"
        for user in range(users)
        for number in range(count)
    ]
    Path(path).write_text("\n".join(["userId,name,stars,timestamp", *lines, ""]), "utf-8")
    return path


def results() -> dict[str, Any]:
    return json.loads(Path("run/results.json").read_text("utf-8"))


SCALES: dict[str, tuple[Callable[[int], object], str, int]] = {
    "thumbs, seen": (lambda i: i % 2, "", 2),
    "thumbs in words": (lambda i: ("up", "down")[i % 2], "", 2),
    "half stars, seen": (lambda i: 0.5 + i % 10 / 2, "", 10),
    "0 to 10": (lambda i: i % 11, "0:10:1", 11),
    "0 to 100, read at 21 values": (lambda i: i * 37 % 101, "0:100:5", 21),
    "0 to 100, every value": (lambda i: i * 37 % 101, "0:100:1", 101),
}


@pytest.mark.parametrize("case", SCALES)
def test_every_scale_gives_personas_and_a_report(deeper: CommandLine, case: str) -> None:
    rating, scale, labels = SCALES[case]
    flags = ("--scale", scale) if scale else ()
    result = deeper("demo", "--ratings", ratings("a.csv", rating), "--item", "cove", *flags, *ONE_ROUND)
    assert (result.code, result.out.count("Report: run/report.html")) == (0, 1), result.err
    assert "FIRST LOOK at a.csv (CSV, separated by commas)" in result.err
    assert "user = userId, title = name, rating = stars, time = timestamp" in result.err
    assert Path("run/report.html").is_file()
    found = results()
    assert found["users"] == {"cove": 3}
    assert {entry["calibrated"] for entry in found["errors"] if entry["readout"] != "none"} == {"others"}
    assert "calibration: each user's is fitted on the other users that are judged" in found["notes"]
    predicted = pq.read_table("run/predictions.parquet").to_pylist()
    assert all(np.shape(row["distribution"]) == (10, labels) and not row["failure"] for row in predicted)
    judged = {row["rating"] for rows in pq.read_table("run/windows.parquet")["items"].to_pylist() for row in rows}
    words = {"up": 1, "down": 0}
    assert judged <= {float(words.get(str(rating(i)), rating(i))) for i in range(60)}
    assert ("lie between the scale's values" in result.err) is (case == "0 to 100, read at 21 values")
    assert ("101 values are many" in result.err) is (labels == 101)


def test_errors_between_the_values_are_against_what_was_given(deeper: CommandLine) -> None:
    ratings("a.csv", lambda _: 73)
    assert deeper("demo", "--ratings", "a.csv", "--scale", "0:100:5", *ONE_ROUND).code == 0
    errors = pq.read_table("run/errors.parquet").to_pylist()
    assert {row["mae"] for row in errors if row["method"] == "user_median"} == {0}
    by_model = [row["mae"] for row in errors if row["method"] == "refine"]
    assert by_model and all(mae % 5 for mae in by_model)


def test_one_user_is_enough_and_is_not_calibrated(deeper: CommandLine) -> None:
    result = deeper("demo", "--ratings", ratings("a.csv", lambda i: 1 + i % 5, users=1), "--full", *ONE_ROUND)
    assert result.code == 0, result.err
    note = "calibration: off, since there is no prediction for another user to fit it on"
    assert note in results()["notes"] and "Calibration: item: off." in result.out
    assert {row["user"] for row in pq.read_table("run/personas.parquet").to_pylist()} == {"u0"}


def test_all_users_are_judged_in_the_demo_and_eval_users_in_evaluate(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: 1 + i % 5, users=20)
    assert deeper("evaluate", "--ratings", "a.csv", *ONE_ROUND).code == 0
    assert results()["users"] == {"item": 6}
    demo = deeper("demo", "--ratings", "a.csv", "--rounds", "0", *SCRIPTED)
    assert demo.code == 0 and "16 of them, chosen by a hash of the id; --users 20 takes all" in demo.err
    config = tomllib.loads(next(Path("runs").glob("demo-*/config.toml")).read_text("utf-8"))
    assert (config["split"], config["calibration"]) == ("all", "on")


def test_skipped_rows_are_shown_and_told_in_the_results(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: 1 + i % 5)
    with Path("a.csv").open("a", encoding="utf-8") as file:
        file.write("u0,Cove,bad,1600000000\nu0,\x1b[31m Cove,soon\x1b[0m,1600000000\n")
    result = deeper("demo", "--ratings", "a.csv", *ONE_ROUND)
    assert result.code == 0
    assert "92, of which 2 are skipped" in result.err
    assert re.search(r"the rating is not a number +2 +line 92: the rating is 'bad', which is not a\s", result.err)
    assert "\x1b" not in result.err
    assert results()["notes"][0] == "rows skipped: 2 of 92 (the rating is not a number: 2)"


def cuisines(path: str, header: str = "restaurant,cuisine,rating") -> str:
    rows = [f"Place {i},{('Thai', 'Greek|Cafe', 'Diner')[i % 3]},{1 + i * 7 % 5}" for i in range(40)]
    Path(path).write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def test_the_first_look_shows_the_categories_as_they_were_understood(deeper: CommandLine) -> None:
    result = deeper("demo", "--ratings", cuisines("a.csv"), *ONE_ROUND)
    assert result.code == 0, result.err
    shown = " ".join(result.err.split())
    assert "title = restaurant, rating = rating, categories = cuisine; none for the user" in shown
    assert "40 of 40 items in windows have some: Thai (14), Cafe (13), Diner (13), Greek (13)" in shown
    assert re.search(r"me\W+Place 1\W+Greek, Cafe\W+3\W", result.err)
    found = {
        item["title"]: item["categories"]
        for row in pq.read_table("run/windows.parquet")["items"].to_pylist()
        for item in row
    }
    assert (found["Place 0"], found["Place 1"]) == (["Thai"], ["Greek", "Cafe"])


def test_another_column_may_hold_the_categories(deeper: CommandLine) -> None:
    words = ("demo", "--ratings", cuisines("a.csv", "restaurant,kitchen,rating"), "--columns", "categories=kitchen")
    result = deeper(*words, *ONE_ROUND)
    assert result.code == 0, result.err
    shown = " ".join(result.err.split())
    assert "categories = kitchen" in shown and "Thai (14)" in shown


def test_a_table_of_items_is_joined_and_told(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: 1 + i % 5)
    lines = "".join(f"COVE {i},{('Bay', 'Rock;Sand')[i % 2]}\n" for i in range(20))
    Path("items.csv").write_text(f"title,tags\n{lines}", "utf-8")
    result = deeper("demo", "--ratings", "a.csv", "--item", "cove", "--items", "items.csv", *ONE_ROUND)
    assert result.code == 0, result.err
    assert "20 of 30 items in windows have some: Bay (10), Rock (10), Sand (10)" in " ".join(result.err.split())
    assert "items of cove with categories of items.csv: 20 of 30" in results()["notes"]
    assert tomllib.loads(Path("run/config.toml").read_text("utf-8"))["items"] == ["items.csv"]
    Path("items.csv").write_text("title,tags\nElsewhere,Bay\n", "utf-8")
    refused = deeper(
        "demo", "--ratings", "a.csv", "--item", "cove", "--items", "items.csv", "--out", "other", *SCRIPTED
    )
    assert refused.code == 2
    assert "the table of items names none of the rated items" in refused.err
    assert "the ratings have 'Cove 0', the table 'Elsewhere'" in refused.err


def test_prompts_do_not_depend_on_categories(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: 1 + i % 5)
    Path("items.csv").write_text("title,tags\n" + "".join(f"Cove {i},Kind {i % 3}\n" for i in range(30)), "utf-8")
    plain, joined = (
        deeper("demo", "--ratings", "a.csv", "--rounds", "1", "--out", out, *more, *SCRIPTED)
        for out, more in (("plain", ()), ("joined", ("--items", "items.csv")))
    )
    assert (plain.code, joined.code) == (0, 0), joined.err
    for name in ("personas", "predictions", "errors"):
        assert pq.read_table(f"plain/{name}.parquet").equals(pq.read_table(f"joined/{name}.parquet"))


def test_it_goes_on_where_it_was_without_a_first_look(deeper: CommandLine) -> None:
    words = ("demo", "--ratings", ratings("a.csv", lambda i: 1 + i % 5), *ONE_ROUND)
    first, again = deeper(*words), deeper(*words)
    assert "FIRST LOOK" in first.err and "FIRST LOOK" not in again.err
    assert again.out == first.out and "from an earlier run" in again.err


def test_without_a_terminal_what_is_not_clear_is_an_error(deeper: CommandLine) -> None:
    Path("a.csv").write_text("who,what,stars\na,b,3\n", "utf-8")
    result = deeper("demo", "--ratings", "a.csv", *ONE_ROUND)
    assert result.code == 2
    assert "--columns user=COLUMN,title=COLUMN (found: who, what, stars)" in result.err
    both = deeper("demo", "--ratings", "a.csv", "--data", "mine", *ONE_ROUND)
    assert both.code == 2 and "data and ratings are both given" in both.err
    other = deeper("demo", "--ratings", ratings("b.csv", lambda i: 1 + i % 5), "--domains", "caves", *ONE_ROUND)
    assert other.code == 2 and "the ratings have no domain caves" in other.err
    assert not Path("run").exists()


def test_on_a_terminal_columns_are_asked_for(deeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_ratings, "is_asking", lambda yes: not yes)
    ratings("a.csv", lambda i: 1 + i % 5)
    text = Path("a.csv").read_text("utf-8")
    Path("a.csv").write_text(text.replace("userId,name", "who,what"), "utf-8")
    outcome = CliRunner().invoke(cli, ["demo", "--ratings", "a.csv", *ONE_ROUND], input="1\n7\n1\n")
    assert outcome.exit_code == 0, outcome.output
    assert "Which column holds the user?\n  1  who\n  2  what\n" in outcome.stderr
    assert "Which column holds the title?\n  1  what\n" in outcome.stderr
    config = tomllib.loads(Path("run/config.toml").read_text("utf-8"))
    assert config["columns"] == ["user=who", "title=what"]


def test_on_a_terminal_what_the_values_contradict_is_asked_about(
    deeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ratings, "is_asking", lambda yes: not yes)
    lines = [f"{user},Ada {user},{(user + i) % 6},Cove {i}" for user in range(3) for i in range(30)]
    Path("a.csv").write_text("\n".join(["who,name,stars,what", *lines, ""]), "utf-8")
    words = ["demo", "--ratings", "a.csv", *ONE_ROUND]
    outcome = CliRunner().invoke(cli, words, input="1\n2\ny\n")
    assert outcome.exit_code == 0, outcome.output
    assert "Which column holds the user?\n  1  who\n" in outcome.stderr
    assert "  0  none: one person gave all ratings\n" in outcome.stderr
    reason = "The title cannot be in name, which has one text for all rows of a user ('Ada 0')."
    assert f"{reason}\nWhich column holds the title?\n  1  name\n  2  what\n" in outcome.stderr
    assert "Do ratings of 0 mean that an item is not rated? [y/N]: y" in outcome.stderr
    config = tomllib.loads(Path("run/config.toml").read_text("utf-8"))
    assert (config["columns"], config["unrated"]) == (["user=who", "title=what"], [0.0])
    assert results()["users"] == {"item": 3}


def test_on_a_terminal_one_person_may_have_given_all_ratings(
    deeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ratings, "is_asking", lambda yes: not yes)
    ratings("a.csv", lambda i: 1 + i % 5)
    Path("a.csv").write_text(Path("a.csv").read_text("utf-8").replace("userId", "who"), "utf-8")
    outcome = CliRunner().invoke(cli, ["demo", "--ratings", "a.csv", *ONE_ROUND], input="0\n")
    assert outcome.exit_code == 0, outcome.output
    assert tomllib.loads(Path("run/config.toml").read_text("utf-8"))["columns"] == ["user="]
    assert results()["users"] == {"item": 1}


@pytest.mark.parametrize("command", ["demo", "evaluate"])
def test_an_export_of_one_person_goes_through_to_tables(deeper: CommandLine, command: str) -> None:
    lines = [f"2023-01-{1 + i % 28:02},Cove {i},2000,https://boxd.it/{i},{i % 6 or ''}" for i in range(50)]
    Path("a.csv").write_text("\n".join(["Date,Name,Year,Letterboxd URI,Rating", *lines, ""]), "utf-8")
    every_method = ("--policy-engine", "scripted", "--predictor-engine", "scripted", "--rounds", "2", "--out", "run")
    result = deeper(command, "--ratings", "a.csv", *every_method)
    assert result.code == 0, result.err
    assert "time = Date, item = Letterboxd URI; none for the user: one person" in " ".join(result.err.split())
    assert "50, of which 9 hold no rating (blank: 9) and 0 are skipped" in result.err
    assert "0.5 to 5 by 0.5 (that of Letterboxd; --scale MIN:MAX:STEP sets another)" in " ".join(result.err.split())
    assert "1 user is too few to tell the methods apart." in result.out
    found = results()
    assert found["users"] == {"item": 1}
    assert "this is an export of Letterboxd: all ratings are read as one person's" in found["notes"]
    assert "rows left out because they hold no rating (blank: 9): 9" in found["notes"]
    assert any(note.startswith("calibration: off, since there is no prediction for a") for note in found["notes"])
    assert {row["user"] for row in pq.read_table("run/personas.parquet").to_pylist()} == {"me"}


def test_two_rows_are_shown_as_they_were_understood(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: "" if i == 0 else 1 + i % 5)
    text = Path("a.csv").read_text("utf-8").replace("Cove 1,", "\x1b[31m" + "Cove" * 40 + ",")
    Path("a.csv").write_text(text, "utf-8")
    result = deeper("demo", "--ratings", "a.csv", *ONE_ROUND)
    assert result.code == 0, result.err
    assert re.search(r"^user title +rating time *\n[- ]+\nu0 +\S*Cove\S+ +2 2020-09-13 13:26", result.err, re.MULTILINE)
    assert re.search(r"^u0 +Cove 2 +3 2020-09-13 14:26", result.err, re.MULTILINE)
    assert "\x1b" not in result.err


def test_numbers_that_mean_not_rated_are_a_setting(deeper: CommandLine) -> None:
    ratings("a.csv", lambda i: (-1, 0, 1, 2, 3, 4, 5)[i % 7])
    bare = deeper("demo", "--ratings", "a.csv", *ONE_ROUND)
    assert bare.code == 2 and "give --unrated 0,-1 if that means 'not rated'" in bare.err
    result = deeper("demo", "--ratings", "a.csv", "--unrated", "0,-1", *ONE_ROUND)
    assert result.code == 0, result.err
    told = " ".join(result.err.split())
    assert "90, of which 30 hold no rating (-1: 15, 0: 15) and 0 are skipped" in told
    assert tomllib.loads(Path("run/config.toml").read_text("utf-8"))["unrated"] == [0.0, -1.0]
    odd = deeper("demo", "--ratings", "a.csv", "--unrated", "nan", *ONE_ROUND)
    assert odd.code == 2 and "unrated" in odd.err


@pytest.mark.parametrize(("answer", "is_run"), [("n\n", False), ("\n", True)])
def test_a_long_run_is_asked_about(
    deeper: CommandLine, monkeypatch: pytest.MonkeyPatch, answer: str, is_run: bool
) -> None:
    monkeypatch.setattr(own_ratings, "is_asking", lambda yes: not yes)
    monkeypatch.setattr("deeper.commands.evaluate.estimate.estimate", lambda plan: RunEstimate(100, 200, 10.0, 1.5))
    words = ["demo", "--ratings", ratings("a.csv", lambda i: 1 + i % 5), *ONE_ROUND]
    outcome = CliRunner().invoke(cli, words, input=answer)
    assert outcome.exit_code == 0
    assert "about 22 minutes. Measured just now: 10.00 s a persona" in " ".join(outcome.stderr.split())
    assert outcome.stderr.count("Go on?") == 1
    assert Path("run").exists() is is_run
    assert ("Nothing was done." in outcome.stderr) is not is_run
    if not is_run:
        assert CliRunner().invoke(cli, [*words, "--yes"]).exit_code == 0
        assert Path("run/report.html").is_file()


def test_the_report_is_opened_in_a_browser(deeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert deeper("demo", "--ratings", ratings("a.csv", lambda i: 1 + i % 5), *ONE_ROUND).code == 0
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    assert deeper("report", "--open", "run").code == 0
    assert opened == [Path("run/report.html").resolve().as_uri()]
    nowhere = deeper("report", "--open", "run")
    assert nowhere.code == 2 and "no browser can be started here" in nowhere.err


def test_a_domain_is_written_with_comments_and_is_read(deeper: CommandLine) -> None:
    Path("mine").mkdir()
    words = ("init-config", "--domain", "mine/domain.toml", "--item", "board game", "--scale", "1:10:0.5")
    result = deeper(*words)
    assert result.code == 0 and "deeper evaluate --data mine" in result.out
    assert load_domain(Path("mine/domain.toml")) == Domain(
        "board_game", "Own ratings: board game", "board game", Scale(1, 10, 0.5), between=True
    )
    assert Path("mine/domain.toml").read_text("utf-8").count("\n# ") >= 5
    assert deeper(*words).code == 2
    ratings("a.csv", lambda i: 1 + i % 9 + 0.25)
    text = Path("a.csv").read_text("utf-8").replace("userId,name,stars,timestamp", "user,title,rating,time")
    Path("mine/behaviour.csv").write_text(text, "utf-8")
    assert deeper("evaluate", "--data", "mine", *ONE_ROUND).code == 0
    assert results()["users"] == {"board_game": 1}


def test_a_domain_without_comments_holds_what_is_not_the_default() -> None:
    plain = Domain("tea", 'Tea "T"', "tea", Scale(1, 5, 1), unrated=(0.0,))
    text = domain_toml(plain)
    assert tomllib.loads(text).keys() == {"id", "name", "item_noun", "scale", "unrated"}
    assert tomllib.loads(domain_toml(plain, comments=True))["between"] is False
