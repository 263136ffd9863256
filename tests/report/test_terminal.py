import io
import json

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from deeper.behaviour.schema import WINDOW
from deeper.domains import Domain, Scale
from deeper.evaluation.methods import BASELINES, CONTROLS, HISTORY_ONLY, METHODS, UPDATERS
from deeper.evaluation.results import summarise
from deeper.evaluation.results_schema import NotAvailableBaseline
from deeper.evaluation.schema import ERROR
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.report import print_results

DOMAINS = {
    name: Domain(name, name, "shell", Scale(1, 5, 1), seen=seen)
    for name, seen in (("shore_shells", True), ("river_pebbles", True), ("sea_glass", False))
}


CHOSEN = tuple(method for method in METHODS if method != HISTORY_ONLY)


def results(
    domains,
    methods=CHOSEN,
    rounds=4,
    has_row=lambda domain, method, t, user: True,
    reason="no library",
    with_history=False,
):
    rng = np.random.default_rng(1)
    rows = []
    for domain in domains:
        for method in methods:
            for t in range(rounds + 1):
                roles = ["future"]
                if method not in (*BASELINES, *CONTROLS):
                    roles += ["current"] + ["previous"] * (t > 0)
                for role in roles:
                    for user in range(6):
                        if not has_row(domain, method, t, user):
                            continue
                        mae = float(rng.uniform(0.3, 0.9))
                        model = method not in BASELINES
                        rows.append(
                            {
                                **{"user": f"u{user}", "domain": domain, "method": method, "round": t},
                                **{"role": role, "mae": mae, "rmse": mae, "crps": mae, "rank_accuracy": 0.5},
                                **{"n": 10, "readout": "distribution" if model else "none", "search_n": 0},
                                **{"calibrated": "pooled" if model else "off", "predictor": "p"},
                                **{"prediction": "persona" if model else "none"},
                            }
                        )
    if with_history:
        held_out = [row for row in rows if row["prediction"] == "persona" and row["role"] == "future"]
        rows += [{**row, "mae": row["mae"] / 2, "prediction": "history"} for row in held_out]
        alone = [{**row, "method": HISTORY_ONLY} for row in held_out if row["method"] == "frozen"]
        rows += [{**row, "mae": row["mae"] / 3, "readout": "none", "prediction": "history"} for row in alone]
    return summarise(
        pa.Table.from_pylist(rows, schema=ERROR),
        PERSONA.empty_table(),
        PREDICTION.empty_table(),
        WINDOW.empty_table(),
        DOMAINS,
        rounds,
        not_available=[NotAvailableBaseline(method="matrix_factorisation", domain=domains[0], reason=reason)],
    ).as_json()


def printed(result, width, encoding="ascii"):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_results(json.loads(json.dumps(result)), Console(file=stream, width=width))
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("domains", [["sea_glass"], list(DOMAINS)])
def test_nothing_is_cut_or_coloured_and_plain_ascii_is_enough(width, domains):
    text = printed(results(domains), width)
    assert "\x1b" not in text
    assert "…" not in text and "..." not in text
    assert max(map(len, text.splitlines())) <= width
    for method in CHOSEN:
        assert method in text
    assert HISTORY_ONLY not in text and "HISTORY" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_predictions_with_history_have_tables_of_their_own(width):
    plain, both = (printed(results(["sea_glass"], with_history=flag), width) for flag in (False, True))
    assert max(map(len, both.splitlines())) <= width
    assert "..." not in both
    before, by_round, after = both.split("HELD OUT, WITH HISTORY")
    differences, rest = after.split("HELD OUT, round 4: RMSE")
    assert (before + "HELD OUT, round 4: RMSE" + rest) == plain, "the other tables stay as they are"
    for part in (by_round, differences):
        lines = [line.split()[0] for line in part.splitlines() if line.startswith(" ") and line[1:2].strip()]
        expected = [HISTORY_ONLY, *CONTROLS, "frozen", *UPDATERS]
        found = [line for line in lines if line in METHODS]
        assert found == (["user_median", *expected] if part is by_round else expected)
    assert "to the same without a persona" in " ".join(differences.split())


def test_a_method_without_an_error_has_a_row_in_every_table():
    result = results(list(DOMAINS), has_row=lambda domain, method, t, user: method not in ("refine", "item_standing"))
    places = [(domain, role) for domain in (*DOMAINS, "mean") for role in ("future", "current", "previous")]
    result["missing"] = [
        {"domain": domain, "method": method, "round": t, "role": role, "mae": None, "prediction": "persona",
         "reason": "HTTP 500"}
        for domain, role in places for t in range(5) for method in ("refine", "item_standing")
        if method == "refine" or role == "future"
    ]  # fmt: skip
    for width in (80, 120):
        text = printed(result, width)
        assert max(map(len, text.splitlines())) <= width
        rows = [line.split() for line in text.splitlines() if line.startswith(" refine ")]
        by_domain = 2 if width == 80 else 1
        assert len(rows) == 5 + by_domain, "by round, differences, measures, by domain, in-sample twice"
        assert all(row[1] == "failed" for row in rows)
        rows = [line.split() for line in text.splitlines() if line.startswith(" item_standing ")]
        assert len(rows) == 3 + by_domain and all(row[1] == "n/a" for row in rows)
        assert "(0)" not in text


def test_history_numbers_are_those_of_the_results():
    result = results(["sea_glass"], with_history=True)
    key = {"method": "refine", "round": 4, "role": "future", "prediction": "history"}
    [entry] = [e for e in result["errors"] if all(e[name] == value for name, value in key.items())]
    part = printed(result, 130).split("HELD OUT, WITH HISTORY")[1].split("HELD OUT")[0]
    line = next(line for line in part.splitlines() if line.startswith(" refine "))
    assert line.endswith(f"{entry['mae']:.3f} ({entry['ci'][0]:.2f}-{entry['ci'][1]:.2f}) {entry['crps']:.3f} 0.500")


def test_the_footer_says_what_history_was_combined_by():
    fit = {"fitted_on": "pooled", "shrinkage": 5.0, "history": 1.0, "persona": 0.25, "ratings": 90}
    text = printed({**results(["sea_glass"]), "history": {"sea_glass": {"with_persona": fit}}}, 120)
    said = "History in sea_glass: with persona: weights history 1, persona 0.25, shrinkage 5 ratings, fitted on other"
    assert said in " ".join(text.split())


def test_the_user_median_is_first_and_baselines_come_before_controls_before_personas():
    headline = printed(results(["sea_glass"]), 120).split("difference to the user median")[0]
    order = ["user_median", *BASELINES[1:], *CONTROLS, "frozen", *UPDATERS]
    places = [headline.index(f"\n {method} ") for method in order]
    assert places == sorted(places)
    assert "HELD OUT" in headline and "lower is better" in headline
    assert "round 0" in headline and "on W5" in headline


def test_in_sample_errors_are_marked_and_of_personas_only():
    text = printed(results(["sea_glass"]), 120)
    current, previous = text.split("IN-SAMPLE: error on the ")[1:]
    for part, window, rounds in ((current, "current", range(5)), (previous, "previous", range(1, 5))):
        assert part.startswith(f"{window} window, already seen (MAE), sea_glass") and "Not a test" in part
        heads = [line.split() for line in part.splitlines() if " round " in line or "on W" in line]
        assert heads[0][:-1] == [word for t in rounds for word in ("round", str(t))]
        assert heads[1][: 2 * len(rounds)] == [
            word for t in rounds for word in ("on", f"W{t if window == 'current' else t - 1}")
        ]
        own = part.split("Error: mean over users")[0]
        assert " refine " in own and " frozen " in own
        assert "user_median" not in own and "no_persona" not in own


def test_numbers_are_those_of_the_results():
    result = results(["sea_glass"])
    [entry] = [e for e in result["errors"] if (e["method"], e["round"], e["role"]) == ("refine", 4, "future")]
    low, high = entry["ci"]
    row = next(line for line in printed(result, 130).splitlines() if line.startswith(" refine "))
    assert row.endswith(f"{entry['mae']:.3f} ({low:.2f}-{high:.2f}) {entry['crps']:.3f} {entry['rank_accuracy']:.3f}")
    lines = printed(result, 80).splitlines()
    [first, *_] = [i for i, line in enumerate(lines) if line.startswith(" refine ")]
    assert lines[first].endswith(f"{entry['mae']:.3f}   {entry['crps']:.3f}")
    assert lines[first + 1].endswith(f"{low:.2f}-{high:.2f}   {entry['rank_accuracy']:.3f}")


def test_a_star_stands_before_differences_that_hold_after_the_correction():
    result = results(["sea_glass"], methods=("user_median", "frozen", "refine"))
    for entry in result["paired"]:
        entry["p_adjusted"] = 0.01 if (entry["method"], entry["against"]) == ("refine", "user_median") else 0.2
    [entry] = [e for e in result["paired"] if (e["method"], e["against"], e["round"]) == ("refine", "user_median", 4)]
    text = printed(result, 80)
    table = text.split("difference to the user median")[1].split("HELD OUT")[0]
    assert table.count("*") == 2, "a star, and what it means"
    assert f"*{entry['difference']:+.3f}" in table
    assert "Holm's correction for the 3 differences of this table" in " ".join(table.split())
    older = [{**e, "p_adjusted": None} for e in result["paired"]]
    assert "*" not in printed({**result, "paired": older}, 80)


def test_several_domains_have_a_mean_and_a_table_of_all():
    text = printed(results(list(DOMAINS)), 120)
    assert "mean over domains, users: 18" in text
    assert "error by domain" in text
    assert "unseen" in text and "pebbles" in text


def test_the_footer_says_what_is_missing_and_how_it_was_calibrated():
    text = printed(results(["sea_glass"]), 120)
    assert "Not available: matrix_factorisation in sea_glass (no library)." in text
    assert "Calibration: sea_glass: fitted on other domains' train users." in text
    assert "Predictions that could not be read: none." in text


def test_too_many_rounds_for_the_width_keep_the_first_and_the_last():
    text = printed(results(["sea_glass"], methods=("user_median", "refine"), rounds=9), 80)
    headline = text.split("difference to the user median")[0]
    assert "round 0" in headline and "round 9" in headline and "round 2" not in headline
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 120])
def test_each_round_has_its_users_and_a_method_with_fewer_is_marked(width):
    """Users leave as rounds go on, as in real data; refine failed for two more of them."""

    def has_row(domain, method, t, user):
        return user < {0: 6, 1: 5, 2: 1}[t] and not (method == "refine" and t == 1 and user in (0, 3))

    text = printed(results(["sea_glass"], rounds=2, has_row=has_row), width)
    head, _, rest = text.partition("----")
    assert head.index("6 users") < head.index("5 users") < head.index("1 user")
    headline = rest.split("difference to the user median")[0]
    lines = headline.splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("(")] == ["(3)"]
    [marked] = [i for i, line in enumerate(lines) if line.strip() == "(3)"]
    methods = [line for line in lines[:marked] if line.startswith(" ") and line[1:2].strip()]
    assert methods[-1].startswith(" refine ")
    assert " ".join(headline.split()).count("(n): over n users only") == 1
    assert max(map(len, text.splitlines())) <= width


def test_no_mark_is_explained_where_there_is_none():
    assert "over n users only" not in printed(results(["sea_glass"]), 80)


def test_a_domain_with_fewer_windows_ends_the_means_and_is_named():
    def has_row(domain, method, t, user):
        return t <= (1 if domain == "sea_glass" else 3)

    text = " ".join(printed(results(list(DOMAINS), rounds=3, has_row=has_row), 80).split())
    assert "HELD OUT, round 1: difference" in text and "HELD OUT, round 1: RMSE" in text
    assert "HELD OUT, round 1: error by domain" in text
    assert "round 2 on" not in text
    assert "Rounds 2 to 3 are not shown: no error after round 1 in sea_glass." in text


def test_domains_of_equal_length_need_no_such_line():
    assert "not shown" not in printed(results(list(DOMAINS)), 80)


def test_control_characters_in_the_data_do_not_reach_the_terminal():
    result = results(["sea_glass"], reason="no \x1b[2Jlibrary")
    hostile = json.loads(json.dumps(result).replace("sea_glass", "sea\\u001b]0;glass"))
    text = printed(hostile, 120)
    assert "\x1b" not in text
    assert "sea?]0;glass" in text and "no ?[2Jlibrary" in text
    two = json.loads(json.dumps(results(list(DOMAINS))).replace("sea_glass", "sea\\u001bglass"))
    assert "\x1b" not in printed(two, 80)


def test_a_run_without_any_error_says_so():
    assert "no error to show" in printed(results(["sea_glass"], methods=()), 80)
