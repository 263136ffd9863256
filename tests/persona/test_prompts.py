import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_cases import FOOD, HALVES, ODD_TITLES, STARS, items

from deeper.domains import Domain, Scale
from deeper.engine import Prompt
from deeper.errors import UserError
from deeper.persona.prompts import item_lines
from deeper.persona.prompts.item_lines import discrepancy_lines, quote, rating_lines
from deeper.persona.prompts.templates import PLACEHOLDERS, SAMPLE_DOMAIN, Prompts, load_prompts
from deeper.persona.recipe import RECIPE

VALUES = {
    "ratings": "RATINGS",
    "discrepancies": "DISCREPANCIES",
    "persona": "PERSONA",
    "short_term": "SHORT",
    "items": "ITEMS",
    "count": 7,
}


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    return load_prompts()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a copy of all built-in prompts."""
    folder = tmp_path / "prompts"
    shutil.copytree(str(files("deeper.persona").joinpath("prompts")), folder)
    return folder


def filled(prompts: Prompts, name: str, **values: object) -> Prompt:
    chosen = {key: value for key, value in VALUES.items() if key in PLACEHOLDERS[name]}
    return prompts.render(name, STARS, 120, **{**chosen, **values})


@pytest.mark.parametrize("title", ODD_TITLES)
def test_an_odd_title_is_one_line_that_json_reads_back(title: str) -> None:
    quoted = quote(title)
    assert len(quoted.splitlines()) == 1
    read = json.loads(quoted)
    assert read.isprintable()
    assert len(read) <= RECIPE.title_characters
    whole = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    assert read == whole or (
        len(whole) > len(read) == RECIPE.title_characters and whole.startswith(read.removesuffix("…"))
    )


@given(st.text())
def test_any_title_is_one_line_that_json_reads_back(title: str) -> None:
    quoted = quote(title)
    assert len(quoted.splitlines()) == 1
    assert json.loads(quoted).isprintable()
    assert quote(json.loads(quoted)) == quoted
    quoted.encode()


def test_lines_are_one_a_rating_the_best_first_and_their_titles_can_be_read_back() -> None:
    ratings = [i % 5 + 1 for i in range(len(ODD_TITLES))]
    window = items(ODD_TITLES, ratings)
    *lines, middle = rating_lines(window, STARS).splitlines()
    *wrong, both = discrepancy_lines(window, [3] * len(window), STARS).splitlines()
    assert (middle, both) == ("in the middle: 3 (fair)", "in the middle: actual 3 (fair), predicted 3 (fair), right")
    verdicts = {5: "too low", 4: "too low", 3: "right", 2: "too high", 1: "too high"}
    for rating, line, error in zip([5, 4, 3, 2, 1], lines, wrong, strict=True):
        titles = [quote(item["title"]) for item in window if item["rating"] == rating]
        assert line == f"{rating}: {', '.join(titles)}"
        assert error == f"actual {rating}, predicted 3, {verdicts[rating]}: {', '.join(titles)}"
        assert json.loads(f"[{line.partition(': ')[2]}]") == [json.loads(title) for title in titles]


def test_actual_ratings_of_several_predictions_have_a_line_each() -> None:
    window = items(["a", "b", "c", "d"], [4, 4, 2, 4])
    assert discrepancy_lines(window, [2, 5, 2, 2], STARS).splitlines() == [
        'actual 4, predicted 5, too high: "b"',
        'actual 4, predicted 2, too low: "a", "d"',
        'actual 2, predicted 2, right: "c"',
        "in the middle: actual 4 (good), predicted 2 (bad), too low",
    ]


@pytest.mark.parametrize("title", ODD_TITLES)
@pytest.mark.parametrize(("name", "place"), [("initialise", "ratings"), ("refine", "discrepancies")])
def test_nothing_but_the_items_line_changes_with_its_title(prompts: Prompts, name: str, place: str, title: str) -> None:
    def asked(text: str) -> Prompt:
        window = items(["Plain", text, "Last"], [1, 2, 3])
        lines = rating_lines(window, STARS) if place == "ratings" else discrepancy_lines(window, [3, 3, 3], STARS)
        return filled(prompts, name, **{place: lines})

    odd, plain = asked(title), asked("Unremarkable")
    assert odd.system == plain.system
    assert odd.user.splitlines() == [
        line.replace(quote("Unremarkable"), quote(title)) for line in plain.user.splitlines()
    ]


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_rendered_prompt_holds_its_values_as_they_are(prompts: Prompts, name: str) -> None:
    rendered = filled(prompts, name, **{key: f"${key} {{x}} $$ $nope" for key in PLACEHOLDERS[name]})
    for key in PLACEHOLDERS[name]:
        assert f"${key} {{x}} $$ $nope" in rendered.system + rendered.user
    plain = filled(prompts, name)
    assert "$" not in plain.system + plain.user
    assert "pebble" in plain.user
    assert rendered.user.endswith("\n")


@pytest.mark.parametrize(("tokens", "count"), [(8, "one"), (48, "two"), (120, "five"), (4096, "sixteen")])
def test_the_length_limit_is_spelled_out(prompts: Prompts, tokens: int, count: str) -> None:
    assert f"at most {count} sentences" in prompts.render("initialise", STARS, tokens, ratings="x").system


def test_the_scale_is_told_as_people_write_it(prompts: Prompts) -> None:
    user = " ".join(prompts.render("predict", HALVES, persona="x").user.split())
    assert "0.5 (dreadful), 1 (awful), 1.5 (bad), 2 (poor), 2.5 (mediocre), 3 (fair), 3.5 (decent), 4 (good)," in user
    lines = rating_lines(items(["a", "b"], [0.5, 4.0]), HALVES)
    assert lines == '4: "b"\n0.5: "a"\nin the middle: 2.25 (between poor and mediocre)'


SCALES = [Scale(0, 1, 1), Scale(1, 5, 1), Scale(0.5, 5, 0.5), Scale(0, 10, 1), Scale(0, 100, 1)]


@pytest.mark.parametrize("scale", SCALES)
def test_readers_are_told_the_words_that_writers_copy(prompts: Prompts, scale: Scale) -> None:
    domain = Domain("own", "Own", "pebble", scale)
    told = re.findall(r"([\d.]+) \(([a-z ]+)\)", prompts.render("predict", domain, persona="x").user)
    assert len(told) == min(len(scale.values), 11)
    assert told[0] == (scale.labels[0], "dreadful") and told[-1] == (scale.labels[-1], "superb")
    for label, words in told:
        assert rating_lines(items(["a"], [float(label)]), domain).endswith(f"in the middle: {label} ({words})")


def test_the_middle_has_words_on_scales_of_more_values_than_words() -> None:
    percent = Domain("percent", "Percent", "pebble", Scale(0, 100, 1))
    told = [rating_lines(items(["a"], [rating]), percent).splitlines()[-1] for rating in (0.0, 50.0, 100.0)]
    assert told == [
        "in the middle: 0 (dreadful)",
        "in the middle: 50 (between mediocre and fair)",
        "in the middle: 100 (superb)",
    ]


def test_marks_of_no_rating_and_failed_predictions_are_said_in_words() -> None:
    window = items(["a", "b"], [0.0, 4.0])
    assert rating_lines(window, FOOD) == '4: "b"\nnot rated: "a"\nin the middle: 4 (good)'
    assert discrepancy_lines(window, None, FOOD) == (
        'actual 4, predicted unknown: "b"\nactual not rated, predicted unknown: "a"\n'
        "in the middle: actual 4 (good), predicted unknown"
    )
    nothing = items(["a"], [0.0])
    assert rating_lines(nothing, FOOD) == 'not rated: "a"'
    assert discrepancy_lines(nothing, [3], FOOD) == 'actual not rated, predicted 3: "a"'


def test_predictions_are_rounded_to_the_scale() -> None:
    lines = discrepancy_lines(items(["a", "b", "c"], [3.5, 1.0, 5.0]), [3.26, 0.2, 4.74], HALVES)
    assert re.findall(r"predicted ([\d.]+)", lines) == ["4.5", "3.5", "0.5", "3.5"]


def changed(prompts: Prompts, before: dict[str, str]) -> set[str]:
    """Names of the templates that ask something else than before."""
    return {name for name, found in prompts.hashes.items() if before[name] != found}


def test_a_template_has_another_hash_when_the_lines_of_its_items_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_prompts().hashes
    monkeypatch.setattr(item_lines, "MEDIAN_HEAD", "halfway")
    assert changed(load_prompts(), before) == {"initialise", "refine", "incremental_update"}
    assert load_prompts().version != Prompts(load_prompts().templates | {"refine": ("", "")}).version


@pytest.mark.parametrize(
    ("name", "text"),
    [("refine", "$persona and $discrepancies"), ("predict", "$persona"), ("merge", "$persona $short_term")],
)
def test_an_own_template_changes_its_own_hash_and_the_version_alone(
    own: Path, prompts: Prompts, name: str, text: str
) -> None:
    (own / f"{name}.txt").write_text(f"Be brief.\n---\n{text}", "utf-8")
    mine = load_prompts(own)
    assert changed(mine, prompts.hashes) == {name}
    assert mine.version != prompts.version
    role = "predictor" if name == "predict" else "policy"
    assert name in mine.hashes_for(role) and mine.hashes_for(role) != prompts.hashes_for(role)
    other = "policy" if role == "predictor" else "predictor"
    assert mine.hashes_for(other) == prompts.hashes_for(other)


def test_a_template_that_reads_the_same_for_the_sample_domain_alone_has_another_hash(prompts: Prompts) -> None:
    system, user = prompts.templates["predict"]
    literal = Prompts({**prompts.templates, "predict": (system, user.replace("$noun", "book"))})
    assert literal.render("predict", SAMPLE_DOMAIN, persona="") == prompts.render("predict", SAMPLE_DOMAIN, persona="")
    assert changed(literal, prompts.hashes) == {"predict"}


def test_a_placeholder_of_a_new_prompt_needs_no_sample_value(prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACEHOLDERS, "mine", {"reasons"})
    assert "mine" in Prompts({**prompts.templates, "mine": ("Be brief.", "$reasons")}).hashes


def test_an_own_prompt_replaces_the_built_in_one_alone(own: Path, prompts: Prompts) -> None:
    for path in own.iterdir():
        if path.name != "refine.txt":
            path.unlink()
    (own / "refine.txt").write_text("Be brief.\n---\n$$5 for $persona and $discrepancies", "utf-8")
    mine = load_prompts(own)
    assert filled(mine, "refine") == Prompt("Be brief.", "$5 for PERSONA and DISCREPANCIES\n")
    assert all(mine.templates[name] == prompts.templates[name] for name in PLACEHOLDERS if name != "refine")
    assert mine.version != prompts.version


def test_windows_line_ends_do_not_matter(own: Path, prompts: Prompts) -> None:
    path = own / "refine.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_prompts(own) == prompts


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_the_version_is_that_of_every_prompts_content(own: Path, prompts: Prompts, name: str) -> None:
    assert load_prompts(own).version == prompts.version
    path = own / f"{name}.txt"
    path.write_text(path.read_text("utf-8").replace("\n---\n", " Truly.\n---\n"), "utf-8")
    assert load_prompts(own).version != prompts.version


def test_text_moved_from_one_prompt_to_another_is_another_version(own: Path) -> None:
    first, second = own / "initialise.txt", own / "refine.txt"
    old = first.read_text("utf-8"), second.read_text("utf-8")
    first.write_text(old[0] + "Tail", "utf-8")
    one = load_prompts(own).version
    first.write_text(old[0], "utf-8")
    second.write_text("Tail" + old[1], "utf-8")
    assert load_prompts(own).version != one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"System\n---\n$persona", r"lacks \$discrepancies"),
        (b"System\n---\nnothing", r"lacks \$discrepancies, \$persona"),
        (b"System\n---\n$persona $discrepancies $mood", r"unknown placeholders \$mood"),
        (b"System\n---\n$persona $discrepancies $ratings", r"unknown placeholders \$ratings"),
        (b"System $persona $discrepancies", "no line '---'"),
        (b"", "no line '---'"),
        (b"System\n---\n$persona $discrepancies costs $5", r"'\$' that starts no placeholder"),
        (b"S $\n---\n$persona $discrepancies", r"'\$' that starts no placeholder"),
        (b"System\n---\n$persona $discrepancies caf\xe9", "cannot be read"),
    ],
)
def test_a_bad_own_prompt_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "refine.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_prompts(tmp_path)
    assert str(tmp_path / "refine.txt") in str(caught.value)
    assert caught.value.do


def test_an_own_prompt_of_no_use_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "refined.txt").write_text("x", "utf-8")
    with pytest.raises(UserError, match="no prompt is called refined") as caught:
        load_prompts(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "refine" in caught.value.do
    with pytest.raises(UserError, match="no such folder"):
        load_prompts(tmp_path / "nowhere")


def test_a_folder_called_like_a_prompt_is_named(tmp_path: Path) -> None:
    (tmp_path / "merge.txt").mkdir()
    with pytest.raises(UserError, match=r"merge\.txt: the prompt cannot be read"):
        load_prompts(tmp_path)
