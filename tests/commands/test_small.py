"""The table of targets of a final evaluation, on a scripted run: its figures are those of the run's tables."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import docs_results
import docs_small
import small as benchmark
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from in_process import run_main
from paired import difference, errors_of, mean_of_rounds
from small import converged, parts, reductions, texts

RATIO = {"value": 1.0, "ci": [0.9, 1.1]}
LANGUAGE = {
    "level_only": {"difference": {"value": 0.1, "ci": [0.05, 0.2]}, "ratio": RATIO},
    "paraphrase": {"difference": {"value": 0.0, "ci": [-0.1, 0.1]}, "ratio": {"value": 1.04, "ci": [1.0, 1.1]}},
    "second_predictor": {"difference": {"value": 0.0, "ci": [-0.1, 0.1]}, "ratio": RATIO},
}
ABLATION = {"runs": [{"name": "all", "ratio": RATIO, "difference": RATIO, "users": 4}] * 3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A final evaluation, and runs on validation users."""
    place = tmp_path_factory.mktemp("small")
    write_planted(plant_users(40, 4, seed=4), place / "data")
    common: dict[str, Any] = {
        "data": f"movielens_small,{place / 'data'}",
        "policy_engine": "scripted",
        "predictor_engine": "scripted",
        "users": 6,
        "rounds": 2,
        "calibration_users": 4,
        "roles": ("future",),
    }
    quiet = Console(file=io.StringIO())
    methods = ("refine", "incremental_update", "frozen", "user_median")
    evaluate(Settings(prediction="history", methods=methods, **common), place / "results", quiet)
    for seed, name in enumerate(("full", "none")):
        evaluate(Settings(split="validation", methods=methods[::3], seed=seed, **common), place / name, quiet)
    (place / "language.json").write_text(json.dumps(LANGUAGE), "utf-8")
    (place / "ablation.json").write_text(json.dumps(ABLATION), "utf-8")
    return place


def small(base: Path, proves: bool = True) -> subprocess.CompletedProcess[str]:
    unseen = {"overlap": 0, "eval_windows": {"planted": 8}, "artefacts": [], "proves": proves}
    (base / "unseen.json").write_text(json.dumps(unseen), "utf-8")
    options = [
        *("--untuned", base / "results", "--language", base / "language.json", "--unseen", base / "unseen.json"),
        *("--demo", base / "results/results.json", "--ablation", base / "ablation.json"),
    ]
    return run_main(benchmark.main, base / "results", *options)


@pytest.fixture(scope="module")
def found(base: Path) -> dict[str, Any]:
    """The table of targets, with everything beside it."""
    return json.loads(small(base).stdout)


def test_targets_are_the_figures_of_the_run(base: Path, found: dict[str, Any]) -> None:
    targets = {one["name"]: one for one in found["targets"]}
    errors = pq.read_table(base / "results/errors.parquet").to_pylist()

    def mean(method: str, prediction: str, only: str = "") -> float:
        """Over domains, of the mean over users, in the last round."""
        by_domain: dict[str, list[float]] = {}
        for row in errors:
            if (row["method"], row["round"], row["role"], row["prediction"]) == (method, 2, "future", prediction):
                by_domain.setdefault(row["domain"], []).append(row["mae"])
        return float(np.mean([np.mean(values) for name, values in by_domain.items() if only in name]))

    median, refine = mean("user_median", "none"), mean("refine", "persona")
    assert targets["refine / user median, round 2"]["value"] == pytest.approx(refine / median, abs=1e-4)
    movies = mean("refine", "persona", "movielens") / mean("user_median", "none", "movielens")
    assert targets["the same in MovieLens, round 2"]["value"] == pytest.approx(movies, abs=1e-4)
    frozen = targets["refine − frozen, round 2"]
    assert frozen["value"] == pytest.approx(refine - mean("frozen", "persona"), abs=1e-4)
    assert frozen["holds"] == (frozen["ci"][1] < 0)
    assert "refine − incremental_update, round 2" in targets
    history = mean("refine", "history") - mean("history_only", "history")
    assert targets["refine with history − history_only, round 2"]["value"] == pytest.approx(history, abs=1e-4)
    means = mean_of_rounds(errors_of(base / "results", "history"))
    everywhere = difference(means["refine"], means["user_median"])
    assert targets["refine with history − user median, all rounds"]["value"] == round(everywhere.mean, 4)
    gain = targets["gain over frozen, by round"]
    assert len(gain["value"]) == len(gain["ci"]) == 2 and gain["holds"] == (gain["value"][1] > gain["value"][0])
    assert all(low <= value <= high for value, (low, high) in zip(gain["value"], gain["ci"], strict=True))
    reduced = targets["reduction of refine, across windows and on the same window, in per cent"]
    kinds = [found["reduction"][kind]["refine"]["mean"] for kind in ("across_windows", "same_window")]
    assert reduced["value"] == pytest.approx(kinds, abs=0.05) and reduced["holds"]
    assert targets["runs of the ablation"]["value"] == 3 and targets["runs of the ablation"]["holds"]
    ended = [one["refine"][-1] < one["frozen"][-1] for one in found["convergence"]]
    assert targets["domains (of 2) where refine beats frozen in the last round"]["value"] == sum(ended)
    text = found["text"]["refine"]
    told = targets["redundancy, retention, distinctness of refine"]
    assert told["value"] == pytest.approx([text["redundancy"], text["retention"], text["distinctness"]], abs=1e-4)
    assert targets["level sentence only − whole persona"]["holds"]
    assert not targets["foreign paraphrase / whole persona"]["holds"]
    assert [one["domain"] for one in found["convergence"]] == ["movielens_small", "planted"]
    assert str(base) not in json.dumps(found)


def test_the_median_gains_on_that_of_the_first_window(base: Path, found: dict[str, Any]) -> None:
    windows: dict[tuple[str, str], dict[int, list[float]]] = {}
    for row in pq.read_table(base / "results/windows.parquet").to_pylist():
        own = windows.setdefault((row["domain"], row["user"]), {})
        own[row["k"]] = [item["rating"] for item in row["items"]]
    errors: dict[str, list[tuple[float, float]]] = {}
    for (domain, _), own in windows.items():
        before = np.concatenate([own[k] for k in range(3)])
        pair = [float(np.abs(np.array(own[3]) - np.median(known)).mean()) for known in (before, own[0])]
        errors.setdefault(domain, []).append((pair[0], pair[1]))
    so_far, first = np.mean([np.mean(own, axis=0) for own in errors.values()], axis=0)
    gain = found["user_median_gain"]
    assert gain["value"] == pytest.approx(1 - so_far / first, abs=1e-4) and gain["value"] != 0


def test_what_was_to_be_reported_is_missed_where_a_figure_is_missing() -> None:
    whole = {"refine": {"mean": 7.26}, "incremental_update": {"mean": 8.0}}
    every = reductions({"across_windows": whole, "same_window": whole})
    assert every["holds"] and every["value"] == [7.3, 7.3]
    for part in ({"refine": {"mean": 7.26}}, {"incremental_update": {"mean": 8.0}}):
        assert not reductions({"across_windows": whole, "same_window": part})["holds"]
    found = {"redundancy": 0.1, "retention": 0.8, "distinctness": 0.4}
    assert texts(found)["holds"] and not texts({**found, "retention": None})["holds"]
    one = {"ratio": RATIO, "difference": {"value": 0.0, "ci": None}}
    assert parts(ABLATION)["holds"] and not parts({"runs": [*ABLATION["runs"], one]})["holds"]
    rows = [{"domain": "a", "rounds_to_most": 1}, {"domain": "b", "rounds_to_most": None}]
    assert converged(rows, {"a": 3, "b": 3})["value"] == 1
    assert not converged(rows[:1], {"a": 3, "b": 3})["holds"]


def test_nothing_is_judged_if_an_eval_user_was_learnt_from(base: Path) -> None:
    outcome = small(base, proves=False)
    assert outcome.returncode == 1 and not outcome.stdout
    assert "does not prove that eval users are unseen" in outcome.stderr


def test_documents_show_it(found: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "docs/results").mkdir(parents=True)
    (tmp_path / "docs/results/small.json").write_text(json.dumps(found), "utf-8")
    marks = ["<!-- small:begin -->", "<!-- small:end -->", "<!-- small_details:begin -->", "<!-- small_details:end -->"]
    (tmp_path / "README.md").write_text("\n".join(marks), "utf-8")
    assert run_main(docs_results.main, "--root", tmp_path).returncode == 0
    shown = (tmp_path / "README.md").read_text("utf-8")
    elsewhere = {**found, "untuned": {**found["untuned"], "commit": "0123456789abcdef+changes"}}
    assert "| `refine`, untuned model (commit `0123456789ab` with changes) |" in docs_small.small(elsewhere)
    [refine] = [
        one
        for one in found["errors"]
        if (one["domain"], one["method"], one["round"], one["prediction"]) == ("mean", "refine", 2, "persona")
    ]
    [line] = [line for line in shown.splitlines() if line.startswith("| **`refine`** |")]
    assert f"{refine['mae']:.3f} ({refine['ci'][0]:.3f}..{refine['ci'][1]:.3f})" in line
    assert "| `refine`, untuned model |" in shown
    [gain] = [one for one in found["targets"] if one["name"] == "refine / user median, round 2"]
    assert f"| {gain['name']} | {gain['value']:.4g} |" in shown
    assert "**missed**" in shown and "| holds |" in shown
    assert all(f"*{one['domain']}, round {one['round']}:*" in shown for one in found["personas"])
