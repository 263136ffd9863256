"""`deeper report`: the files that it writes, what they hold, and what it refuses."""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from report_cases import METHODS, SCRIPT

from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from deeper.evaluation.recipe import RECIPE
from deeper.evaluation.results_schema import MissingError, Reductions
from deeper.evaluation.runs.load_run import load_run
from deeper.report.figures import figures
from deeper.report.overview import Overview, lead
from deeper.report.pages.run_page import page
from deeper.report.palette import label

VENDOR = files("deeper.report.pages") / "vendor"


def deeper(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["deeper", *words])
    return _run()


def test_report_writes_the_page_and_figures_that_are_equal_for_equal_results(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deeper(monkeypatch, "report", str(run)) == 0
    assert f"Report: {run / 'report.html'}" in capsys.readouterr().out
    names = {path.name for path in (run / "figures").iterdir()}
    drawn = ["error_by_round", "error_by_domain", "differences"]
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    assert {name: (run / "figures" / name).read_bytes() for name in names} == figures(load_run(run).results)
    for name in names:
        content = (run / "figures" / name).read_bytes()
        if name.endswith("png"):
            assert content.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_figures_name_the_methods_that_have_no_result(run: Path) -> None:
    results, lost = load_run(run).results, "hierarchical_merge"
    note = f"Not drawn: {label(lost)} (failed)."
    svg = {name: content.decode() for name, content in figures(results).items() if name.endswith("svg")}
    assert svg and not any(note in text for text in svg.values())
    missing = [
        MissingError(domain=one.domain, method=lost, round=one.round, role=one.role, prediction="persona", reason="no")
        for one in results.errors
        if one.method == lost
    ]
    kept = {part: [one for one in getattr(results, part) if one.method != lost] for part in ("errors", "paired")}
    without = figures(results.model_copy(update={**kept, "missing": missing}))
    for name in svg:
        text = without[name].decode()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert note in text, name
    domains = {one.domain for one in missing}
    named = set(re.findall(rf"(\w[^\n]*): {re.escape(note)}", without["error_by_domain.svg"].decode()))
    assert len(named) == len(domains) > 1


def test_the_page_has_every_number_and_no_markup_from_the_data(run: Path) -> None:
    found = load_run(run)
    html = page(found)
    assert SCRIPT not in html and "<i>" not in html.replace("</i>", "").split("<script>")[0].replace("<i style", "")
    errors = [entry for entry in found.results.errors if entry.role == "future"]
    assert {entry.method for entry in errors} == set(METHODS)
    for entry in errors:
        low, high = entry.ci
        assert f"{entry.mae:.3f} ({low:.3f}..{high:.3f})" in html
    for kind in ("across_windows", "same_window"):
        assert f"reduction {kind.replace('same_', 'on one ').replace('_', ' ')}, %" in html
    assert found.results.commit is None or found.results.commit in html
    assert found.manifest["engines"]["policy"] in html
    assert f"{found.results.cost.total.calls:,} calls" in html


def test_crps_and_rank_accuracy_stand_beside_the_error(run: Path) -> None:
    found = load_run(run)
    [entry] = [
        one
        for one in found.results.errors
        if (one.domain, one.method, one.round, one.role, one.prediction) == ("mean", "refine", 2, "future", "persona")
    ]
    assert entry.rank_accuracy is not None
    html = page(found)
    first = html.split("<h3>After round 2</h3>")[1].split("</table>")[0]
    for value, (low, high) in (
        (entry.mae, entry.ci),
        (entry.crps, entry.crps_ci),
        (entry.rank_accuracy, entry.rank_accuracy_ci),
    ):
        assert f"<td class=number>{value:.3f} ({low:.3f}..{high:.3f})</td>" in first


@pytest.mark.parametrize(("role", "windows"), [("current", (0, 1, 2)), ("previous", (0, 1))])
def test_windows_already_seen_have_a_table_for_each_role(run: Path, role: str, windows: tuple[int, ...]) -> None:
    found = load_run(run)
    part = page(found).split(f"In-sample: error on the {role} window")[1].split("</details>")[0]
    first = part.split("</table>")[0]
    rounds = [t + (role == "previous") for t in windows]
    assert [f"round {t} on W{k}" in first for t, k in zip(rounds, windows, strict=True)] == [True] * len(windows)
    [entry] = [
        one
        for one in found.results.errors
        if (one.domain, one.method, one.round, one.role) == ("mean", "refine", rounds[-1], role)
    ]
    assert f"{entry.mae:.3f} (" in first and "This is not a test" in part
    assert part.count("<table>") == len(Overview(found.results).domains), "one for each domain and mean"


def test_differences_have_p_values_that_allow_for_their_number(run: Path) -> None:
    found = load_run(run)
    view = Overview(found.results)
    part = page(found).split('id="differences-title"')[1].split("How much the error fell")[0]
    assert f"Among {view.tests('mean')} differences" in part
    [entry] = [one for one in view.paired("mean", "user_median") if one.method == "refine"]
    assert entry.crps is not None
    for one in (entry, entry.crps):
        assert one.p_adjusted is not None
        low, high = one.ci
        cell = f"{one.difference:+.3f} ({low:+.3f}..{high:+.3f})</td><td class=number>{one.p_adjusted:.3f}</td>"
        assert cell in part
    older = [one.model_copy(update={"p_adjusted": None}) for one in found.results.paired]
    without = page(replace(found, results=found.results.model_copy(update={"paired": older})))
    assert "Holm" not in without and "adjusted p" not in without


def verdict(
    run: Path, difference: float, low: float | None, high: float | None, p_adjusted: float | None = None
) -> str:
    results = load_run(run).results
    [paired] = [
        entry
        for entry in results.paired
        if (entry.domain, entry.method, entry.against, entry.round) == ("mean", "refine", "user_median", 2)
    ]
    paired = paired.model_copy(update={"difference": difference, "ci": (low, high), "p_adjusted": p_adjusted})
    return lead(Overview(results.model_copy(update={"paired": [paired], "notes": ["<b>"]})))


def test_the_first_paragraph_claims_only_what_the_interval_allows(run: Path) -> None:
    assert "cannot tell them apart" in verdict(run, -0.1, -0.3, 0.1)
    assert "cannot tell them apart" in verdict(run, -0.1, None, None)
    assert "the persona predicts better" in verdict(run, -0.1, -0.2, -0.05)
    assert "the persona predicts worse" in verdict(run, 0.1, 0.05, 0.2)
    assert "&lt;b&gt;" in verdict(run, 0.1, 0.05, 0.2)
    assert "that may be luck" in verdict(run, 0.1, 0.05, 0.2, p_adjusted=0.06)
    assert "the persona predicts worse" in verdict(run, 0.1, 0.05, 0.2, p_adjusted=0.04)


def test_a_run_without_any_error_has_a_page(run: Path) -> None:
    found = load_run(run)
    nothing = Reductions(across_windows={}, same_window={})
    empty = found.results.model_copy(update={"errors": [], "missing": [], "paired": [], "reduction": nothing})
    assert "There is no error to show" in page(replace(found, results=empty))
    assert figures(empty) == {}


def removed(folder: Path, name: str) -> None:
    (folder / name).unlink()


def cut(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:40])


def edited(folder: Path, name: str) -> None:
    """Still JSON, or Parquet with another text at the end of its footer."""
    content = (folder / name).read_bytes()
    old, new = (b'"seed": 1', b'"seed": 2') if name.endswith(".json") else (b"parquet-cpp-arrow", b"parquet-cpp-arrov")
    assert old in content
    (folder / name).write_bytes(content.replace(old, new))


def of_before(folder: Path, name: str) -> None:
    manifest = json.loads((folder / name).read_text("utf-8"))
    del manifest["domains"]
    (folder / name).write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "name", "problem"),
    [
        (removed, "results.json", "the run is not finished"),
        (removed, "windows.parquet", "the run is not finished"),
        (removed, "config.toml", "not the folder of a finished run of deeper evaluate"),
        (cut, "results.json", "the file is damaged"),
        (cut, "personas.parquet", "the file is damaged"),
        (edited, "results.json", "it is not what the run has written"),
        (edited, "manifest.json", "it is not what the run has written"),
        (edited, "errors.parquet", "it is not what the run has written"),
        (of_before, "manifest.json", "of an earlier version"),
    ],
)
def test_a_damaged_or_foreign_run_is_refused_with_its_reason(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    spoil: Any, name: str, problem: str,
) -> None:  # fmt: skip
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    spoil(copy, name)
    assert deeper(monkeypatch, "report", str(copy)) == 2
    message = capsys.readouterr().err
    assert problem in message and str(copy) in message and "\n  → " in message


def test_a_report_that_cannot_be_written_says_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("figures"))
    (copy / "figures").write_text("in the way")
    assert deeper(monkeypatch, "report", str(copy)) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_manifest_records_the_recipes_of_the_evaluation(run: Path) -> None:
    recipes = load_run(run).manifest["recipes"]
    assert recipes.keys() == {"behaviour", "persona", "evaluation", "measure"}
    assert recipes["evaluation"] == asdict(RECIPE)


def test_the_run_holds_the_windows_of_eval_users_alone(run: Path) -> None:
    windows, personas = (pq.read_table(run / f"{name}.parquet").to_pylist() for name in ("windows", "personas"))
    eval_users = {(row["domain"], row["user"]) for row in personas}
    assert {(row["domain"], row["user"]) for row in windows} == eval_users
    assert max(row["k"] for row in windows) == 4


def test_the_vendored_libraries_are_the_pinned_ones() -> None:
    pinned = json.loads((VENDOR / "vendor.json").read_text("utf-8"))
    assert {one["file"] for one in pinned} == {path.name for path in VENDOR.iterdir() if path.name.endswith(".js")}
    for library in pinned:
        content = (VENDOR / library["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == library["sha256"]
        assert re.search("permission|Redistribution", (VENDOR / library["licence_file"]).read_text("utf-8"), re.I)
        notice = (Path(__file__).resolve().parents[2] / "NOTICE").read_text("utf-8")
        assert library["package"] in notice and library["licence"] in notice
