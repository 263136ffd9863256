"""The page and the summary of `deeper learn`: whole or half-way, escaped, readable by themselves."""

import io
import json
import re
from copy import deepcopy
from typing import Any

from rich.console import Console

from deeper.report.pages.charts import MAX_POINTS, line_chart
from deeper.report.pages.learning import page, print_learning

ESTIMATE = {"value": 0.4, "ci": [0.1, 0.6]}
STEP = {
    "loss": 0.7, "preference": 0.69, "sft": 0.1, "reward_chosen": 0.1, "reward_rejected": -0.1, "logp_chosen": -40.0,
    "logp_rejected": -44.0, "margin": 0.2, "accuracy": 0.75, "kl": 0.01, "grad_norm": 1.5, "tokens_per_second": 300.0,
}  # fmt: skip


def validation(mae: float) -> dict[str, Any]:
    entry = {"mae": mae, "ci": [mae - 0.1, mae + 0.1], "users": 8}
    return {
        "methods": {"refine": entry, "frozen": entry, "user_median": {"mae": 0.5, "ci": [None, None], "users": 1}},
        "rounds": [{"method": "refine", "round": 1, **entry}],
        "text": {"tokens": 40.0, "cut_off": 0.0, "redundancy": 0.1, "retention": None, "distinctness": 0.9},
        "leaks": 0.0,
        "failures": 0,
        "persona_failures": 0,
        "calibration": {},
    }


def report() -> dict[str, Any]:
    iteration = {
        "sampled": {"users": 8, "contexts": 8},
        "reward": {
            "trustworthy": True,
            "reliability": ESTIMATE,
            "counts": {"contexts": 8},
            "examples": [
                {"domain": "co<ves", "old": "an <b>old</b> one", "worst": {"r": -0.5, "text": "worst & least"},
                 "best": {"r": 0.5, "text": "<script>alert(1)</script>"}},
            ],
        },
        "pairs": {"counts": {"pairs": 12, "train": {"of_domain": {"coves": 9}, "mean_margin": 0.71666666}}},
        "training": {"steps": 2, "seconds": 12.0, "loss": [{"step": i, **STEP} for i in (1, 2)],
                     "validation": [{"step": 2, "accuracy": 0.5}]},
    }  # fmt: skip
    after = {"difference": -0.05, "ci": [-0.09, -0.01], "improved": 0.6, "users": 8}
    return {
        "commit": None,
        "seed": 1,
        "config": {"data": "a&b"},
        "steps_total": 2,
        "steps": [{"name": "before", "seconds": 3.2}, {"name": "1/sample", "seconds": 60.0}],
        "notes": ["Iteration 1 learns by force: its reward is not to be trusted."],
        "alarms": [{"iteration": 1, "alarm": "output length explodes: 90 tokens on average, 40 before"}],
        "validation": {"before": validation(0.7), "1": {**validation(0.65), "against_before": after}},
        "iterations": [{"iteration": 1, **deepcopy(iteration)}],
    }


def test_the_page_fetches_nothing_and_escapes_all_text() -> None:
    html = page(report())
    assert (
        "&lt;script&gt;alert(1)" in html and "worst &amp; least" in html and "co&lt;ves" in html and "a&amp;b" in html
    )
    assert "<script>alert(" not in html and "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert html.count('data-kind="lines"') == 8
    assert "iteration 1: output length explodes" in html and "learns by force" in html
    assert "0.700 (0.600..0.800)" in html and "-0.050 (-0.090..-0.010)" in html
    assert "0.400 (0.100..0.600); can be trusted" in html
    assert "pairs 12, train (of domain (coves 9), mean margin 0.717)" in html


def test_the_page_works_while_learning_goes_on() -> None:
    begun = {**report(), "validation": {}, "iterations": [], "alarms": [], "notes": [], "steps": []}
    assert "0 of 2 steps are done" in page(begun)
    begun["iterations"] = [{"iteration": 1, "sampled": {"users": 8}}]
    html = page(begun)
    assert "users 8" in html and "<figure" not in html


def test_the_counts_of_each_updater_have_rows_of_their_own_if_there_are_several() -> None:
    found = report()["iterations"][0]
    found["sampled"]["methods"] = {"refine": {"contexts": 5}, "full_regeneration": {"contexts": 3}}
    found["pairs"]["methods"] = {"refine": {"pairs": 7, "surplus": 1}, "full_regeneration": {"pairs": 6, "surplus": 0}}
    found["training"]["methods"] = {"refine": {"pairs": 6, "over_cutoff": 0}, "full_regeneration": {"over_cutoff": 4}}
    html = page({**report(), "iterations": [found]})
    for head, cell in (
        ("sampled", "users 8, contexts 8"),
        ("sampled: full_regeneration", "contexts 3"),
        ("pairs: refine", "pairs 7, surplus 1"),
        ("training: full_regeneration", "over cutoff 4"),
    ):
        assert re.search(rf"{head}</t[dh]><t[dh][^>]*>{cell}</t[dh]>", html), head
    for name in ("sampled", "pairs", "training"):
        found[name]["methods"] = {"refine": {}}
    assert ": refine</th>" in html and ": refine</th>" not in page({**report(), "iterations": [found]})


def test_an_unknown_reliability_is_shown_as_unknown() -> None:
    found = report()
    found["iterations"][0]["reward"] |= {"reliability": {"value": None, "ci": [None, None]}, "trustworthy": False}
    assert "unknown; cannot be trusted" in page(found)


def test_the_terminal_shows_errors_differences_and_alarms() -> None:
    screen = io.StringIO()
    print_learning(report(), Console(file=screen, width=120))
    lines = screen.getvalue().splitlines()
    [refine] = [line for line in lines if line.strip().startswith("refine ")]
    assert "0.700 (0.600..0.800)" in refine and "0.650 (0.550..0.750)" in refine
    assert any("difference to before" in line and "-0.050" in line for line in lines)
    assert any(line.startswith("Alarm: iteration 1: output length") for line in lines)


def drawn(chart: str) -> dict[str, Any]:
    [data] = re.findall(r'<script type="application/json">(.*?)</script>', chart, re.DOTALL)
    return json.loads(data)


def test_a_chart_holds_the_numbers_that_are_finite_and_no_markup() -> None:
    values = [float("nan"), 1.0, float("inf"), 2.0]
    chart = line_chart("Loss </script><b>", {"a</script>": list(enumerate(values))}, {"a</script>": [(5, 3.0)]})
    assert "&lt;/script&gt;&lt;b&gt;" in chart
    data = drawn(chart)
    assert data["names"] == ["a</script>"]
    assert data["lines"] == [
        {"name": "a</script>", "dashed": False, "points": [[1.0, 1.0], [3.0, 2.0]]},
        {"name": "a</script>", "dashed": True, "points": [[5.0, 3.0]]},
    ]


def test_a_long_line_is_averaged_in_groups() -> None:
    [line] = drawn(line_chart("Loss", {"a": [(i, i % 2) for i in range(10 * MAX_POINTS)]}))["lines"]
    assert len(line["points"]) == MAX_POINTS
    assert {y for _, y in line["points"]} == {0.5}, "each group has the same mean"


def test_lines_without_a_finite_number_give_no_chart() -> None:
    assert line_chart("Loss", {"a": [], "b": [(1, float("nan"))]}) == ""
