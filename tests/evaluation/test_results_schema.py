"""`results.json` is read as it was written, and a damaged or foreign file says what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deeper.errors import UserError
from deeper.evaluation.results_schema import ErrorEntry, Results, parse_results, read_results

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
DEMO: dict[str, Any] = json.loads((RESULTS / "demo.json").read_text("utf-8"))


def test_results_are_written_as_they_were_read() -> None:
    found = read_results(RESULTS / "demo.json")
    assert json.dumps(found.model_dump(mode="json", exclude_unset=True)) == json.dumps(DEMO)


def test_what_older_results_lack_is_empty() -> None:
    older = {name: value for name, value in DEMO.items() if name not in ("missing", "failed_calls", "engines")}
    for entry in (*older["errors"], *older["paired"]):
        for name in ("crps_ci", "rank_accuracy_ci", "p_value", "p_adjusted"):
            entry.pop(name, None)
    found = parse_results(older, "demo.json")
    assert found.missing == found.failed_calls == [] and found.engines == {}
    assert found.errors[0].crps_ci == (None, None) and found.paired[0].p_adjusted is None


def test_keys_that_a_benchmark_added_are_ignored() -> None:
    assert list(read_results(RESULTS / "small.json").as_json()) == list(Results.model_fields)


def test_numbers_have_six_digits_and_what_is_not_finite_is_null() -> None:
    numbers = {"mae": 1 / 3, "ci": (float("nan"), float("inf")), "rmse": 0.1, "crps": 0.1, "rank_accuracy": None}
    texts = dict.fromkeys(("domain", "method", "role", "readout", "calibrated", "predictor", "prediction"), "")
    counts = {"round": 0, "users": 1, "ratings": 1, "search_n": 0}
    entry = ErrorEntry.model_validate({**numbers, **texts, **counts, "method": "refine"})
    assert (entry.mae, entry.ci) == (0.333333, (None, None))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there are no results"),
        ("{", "the file is damaged"),
        ("[1]", "not the results of an evaluation"),
        ("{}", "commit: Field required"),
        (json.dumps({**DEMO, "errors": [{"domain": "coves"}]}), "errors.0.method: Field required"),
        (
            json.dumps({**DEMO, "errors": [{"domain": "coves", "method": "<b>"}]}),
            "errors.0.method: String should match pattern",
        ),
        (json.dumps({**DEMO, "users": {"coves": "many"}}), "users.coves: Input should be a valid integer"),
    ],
)
def test_a_file_that_holds_no_results_says_what_is_wrong(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(UserError) as refused:
        read_results(path)
    assert problem in str(refused.value) and str(path) in str(refused.value) and "deeper evaluate" in refused.value.do


def test_a_mean_error_that_is_no_number_is_refused() -> None:
    broken = {**DEMO["errors"][0], "mae": None}
    with pytest.raises(UserError, match="errors.0.mae"):
        parse_results({**DEMO, "errors": [broken]}, "results.json")
