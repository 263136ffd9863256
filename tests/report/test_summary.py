"""The summary: at most 20 lines of 80 columns with the numbers of the results, whatever was chosen."""

import io
from typing import Any

import pytest
from rich.console import Console

from deeper.evaluation.methods import HISTORY_ONLY, UPDATERS
from deeper.evaluation.results_schema import Results, parse_results
from deeper.report.terminal.summary import print_summary, summary_lines


def results(
    errors: dict[str, list[float]],
    differences: dict[tuple[str, str], tuple[float, float, float]] | None = None,
    domain: str = "coves",
    **more: Any,
) -> dict[str, Any]:
    """Results of 16 users: the error of each round by method, and (difference, low, high) at the last round."""
    last = max(map(len, errors.values())) - 1
    place = {"domain": domain, "role": "future", "users": 16, "prediction": "persona"}
    return {
        "errors": [
            {**place, "method": method, "round": t, "mae": mae, "ci": [mae - 0.1, mae + 0.1], "crps": mae / 2}
            for method, values in errors.items()
            for t, mae in enumerate(values)
        ],
        "paired": [
            {"domain": domain, "method": method, "against": other, "round": last, "prediction": "persona",
             "difference": difference, "ci": [low, high]}
            for (method, other), (difference, low, high) in (differences or {}).items()
        ],
        "failures": {},
        "persona_failures": {},
        **more,
    }  # fmt: skip


THREE = {"user_median": [0.7, 0.6], "frozen": [0.65, 0.64], "refine": [0.65, 0.55]}


def typed(found: dict[str, Any]) -> Results:
    """The same as results.json holds it; what the summary does not show is empty."""
    measures = {"rmse": None, "rank_accuracy": 0.51, "ratings": 160, "search_n": 0}
    origin = dict.fromkeys(("readout", "calibrated", "predictor"), "")
    cost = {"calls": 0, "tokens_prompt": 0, "tokens_cached": 0, "tokens_generated": 0, "seconds": 0.0}
    empty = ("versions", "machine", "config", "calibration", "history", "users", "leaks", "text", "unrated")
    whole = {
        **{name: {} for name in empty},
        **{"commit": None, "seed": 1, "source": "", "notes": [], "not_available": []},
        "reduction": {"across_windows": {}, "same_window": {}},
        "cost": {"stages": {}, "total": cost},
        **found,
        "errors": [{**measures, **origin, **entry} for entry in found["errors"]],
        "paired": [{"improved": 0.5, "users": 16, **entry} for entry in found["paired"]],
    }
    return parse_results(whole, "results.json")


def lines_of(found: dict[str, Any]) -> list[str]:
    return summary_lines(typed(found))


def printed(found: dict[str, Any], width: int = 80) -> str:
    stream = io.StringIO()
    print_summary(typed(found), Console(file=stream, width=width))
    return stream.getvalue()


def test_three_rows_have_each_round_and_the_interval_of_the_last() -> None:
    text = printed(results({**THREE, "slide_regeneration": [0.65, 0.5]}))
    assert text.splitlines()[0] == "Error on the next ratings (MAE, lower is better): coves, 16 users"
    assert text.splitlines()[1:5] == [
        " round               0      1         95 %    CRPS   rank",
        " user median     0.700  0.600  0.500-0.700   0.300  0.510",
        " first persona   0.650  0.640  0.540-0.740   0.320  0.510",
        " refine          0.650  0.550  0.450-0.650   0.275  0.510",
    ]
    assert "CRPS: error of the whole distribution. Rank: pairs in order, 0.5 is chance.\n" in text
    assert "Lowest error of the 2 updaters after round 1: slide_regeneration (0.500).\n" in text
    assert "slide_regeneration  " not in text


def test_updaters_with_the_same_error_are_all_named() -> None:
    text = printed(results({**THREE, "incremental_update": [0.65, 0.5501], "slide_regeneration": [0.65, 0.6]}))
    assert "Lowest error of the 3 updaters after round 1: refine, incremental_update (0.550)." in " ".join(text.split())


@pytest.mark.parametrize("role", ["policy_engine", "predictor_engine"])
def test_numbers_of_a_scripted_engine_come_with_a_warning(role: str) -> None:
    engines = {"policy_engine": "embedded", "predictor_engine": "embedded"}
    warning = "The scripted engine stands in for a model: these numbers mean nothing."
    assert lines_of(results(THREE, config={**engines, role: "scripted"}))[0] == warning
    assert warning not in lines_of(results(THREE, config=engines))


def test_only_differences_whose_interval_excludes_zero_are_told() -> None:
    found = results(
        THREE,
        {
            ("refine", "user_median"): (-0.05, -0.09, -0.01),
            ("frozen", "user_median"): (0.04, 0.01, 0.08),
            ("refine", "frozen"): (-0.09, -0.19, 0.01),
        },
    )
    lines = lines_of(found)
    assert "Better than the user median: refine (-0.050)." in lines
    assert "Worse than the user median: frozen (+0.040)." in lines
    assert "Not measurably different from the first persona (frozen): refine (-0.090)." in lines
    assert not any("too few" in line for line in lines)


def test_what_may_be_luck_among_many_differences_is_not_told() -> None:
    """Both intervals exclude 0; only one difference holds after the correction."""
    pairs = {("refine", "user_median"): (-0.05, -0.09, -0.01), ("frozen", "user_median"): (0.04, 0.01, 0.08)}
    found = results(THREE, pairs)
    for entry, p_adjusted in zip(found["paired"], (0.049, 0.051), strict=True):
        entry.update({"p_value": 0.03, "p_adjusted": p_adjusted})
    lines = lines_of(found)
    assert "Better than the user median: refine (-0.050)." in lines
    assert not any(line.startswith("Worse") for line in lines)
    assert lines[-1] == '"Better" and "worse" allow for luck among 2 differences (Holm, 5 %).'


def test_without_such_a_difference_one_sentence_says_so() -> None:
    pairs = {("refine", other): (-0.05, -0.2, 0.1) for other in ("user_median", "frozen")}
    assert lines_of(results(THREE, pairs))[-1] == "16 users are too few to tell the methods apart."
    one = results(THREE, pairs)
    one["errors"] = [{**entry, "users": 1, "ci": [None, None]} for entry in one["errors"]]
    one["paired"] = [{**entry, "ci": [None, None]} for entry in one["paired"]]
    assert lines_of(one)[-1] == "1 user is too few to tell the methods apart."
    assert "0.700-" not in printed(one).split("too few")[0]


@pytest.mark.parametrize("left_out", THREE)
def test_methods_that_were_not_chosen_are_left_out(left_out: str) -> None:
    text = printed(results({name: values for name, values in THREE.items() if name != left_out}))
    rows = {"user_median": " user median", "frozen": " first persona", "refine": " refine"}
    for name, label in rows.items():
        assert (label in text) is (name != left_out)
    assert "too few" not in text, "nothing was compared"


def test_baselines_alone_have_a_summary_too() -> None:
    assert "--full prints all methods." in " ".join(printed(results({"item_standing": [0.8, 0.7]})).split())
    assert "could be compared" in printed({**results(THREE), "errors": []})


def test_several_domains_are_their_mean() -> None:
    both = results(THREE)
    both["errors"] += results(THREE, domain="mean")["errors"]
    assert "mean over domains, 16 users" in printed(both)


def failed(method: str, what: str, count: int, reason: str = "HTTP 500", asked_again: bool = True) -> dict[str, Any]:
    return {
        "method": method,
        "what": what,
        "failed": count,
        "calls": 4096,
        "reason": reason,
        "asked_again": asked_again,
    }


def test_failed_calls_are_told_with_the_commonest_reason_and_what_to_do() -> None:
    calls = [failed("initialise", "personas", 2), failed("refine", "personas", 1200, "timed out"),
             failed("refine", "predictions", 1)]  # fmt: skip
    assert lines_of(results(THREE, failed_calls=calls))[-3:] == [
        "1,203 calls failed: refine 1,200 of 4,096 personas and 1 of 4,096 predictions, first personas 2 of 4,096 "
        "personas.",
        "Most often: timed out.",
        "Once the server answers, repeat the command: it asks only the failed calls again.",
    ]
    again = [failed("refine", "personas", 1, "the prompt has more than the 900 tokens that fit", asked_again=False)]
    assert "would fail again in the same way" in lines_of(results(THREE, failed_calls=again))[-1]


def test_a_method_without_an_error_keeps_its_row() -> None:
    place = {"domain": "coves", "role": "future", "prediction": "persona", "reason": "HTTP 500"}
    errors = {"user_median": [0.7, 0.6], "frozen": [0.65]}
    missing = [{**place, "method": "refine", "round": t} for t in (0, 1)] + [{**place, "method": "frozen", "round": 1}]
    text = printed(results(errors, missing=missing, failed_calls=[failed("refine", "personas", 2)]))
    assert " refine         failed failed\n" in text
    assert " first persona   0.650 failed\n" in text
    assert "INCOMPLETE: no result, or not in each round: refine, frozen.\n" in text


def test_predictions_with_history_do_not_enter() -> None:
    found = results(THREE)
    found["errors"] += [{**e, "mae": 0.1, "prediction": "history"} for e in found["errors"]]
    found["errors"].append({**found["errors"][-1], "method": HISTORY_ONLY})
    assert printed(found) == printed(results(THREE))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_longest_summary_has_20_lines_of_80_columns(width: int) -> None:
    errors = {name: [0.5 + t / 1000 for t in range(101)] for name in ("user_median", "frozen", *UPDATERS)}
    pairs = {
        (method, other): (sign * (0.2 + i / 100), *sorted((sign * 0.1, sign * 0.3)))
        for other in ("user_median", "frozen")
        for i, method in enumerate(("frozen", *UPDATERS))
        for sign in [(-1, 1)[i % 2]]
        if method != other
    }
    found = results(errors, pairs, config={"policy_engine": "scripted"})
    for entry in found["paired"]:
        entry.update({"p_value": 0.0001, "p_adjusted": 0.001})
    lines = printed(found, width).splitlines()
    assert len(lines) <= 20
    reason = "the server said something that goes on and on; " * 2
    calls = [failed(method, what, 1234, reason) for method in UPDATERS for what in ("personas", "predictions")]
    assert len(printed({**found, "failed_calls": calls}, width).splitlines()) <= len(lines) + 8
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["round", "0", "97", "98", "99", "100", "95", "%", "CRPS", "rank"]


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in printed(results(THREE, domain="co\x1b[2Jves"))
