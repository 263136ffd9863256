"""Runs against the first one, by hand-made errors of users."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablation import compared, engines_of

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


def run(place: Path, errors: dict[str, dict[tuple[str, str], tuple[float, ...]]]) -> Path:
    """A run folder with held-out errors by method, user and round; rows that are not asked for stand beside them."""
    rows = [
        {"method": method, "domain": domain, "user": user, "round": t, "role": role, "prediction": kind, "mae": value}
        for method, users in errors.items()
        for (domain, user), values in users.items()
        for t, mae in enumerate(values)
        for role, kind, value in (
            ("future", "none" if method == "user_median" else "persona", mae),
            ("future", "history", 9.0),
            ("current", "persona", 9.0),
        )
    ]
    place.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), place / "errors.parquet")
    return place


def test_each_run_is_judged_by_the_median_and_against_the_first(tmp_path: Path) -> None:
    median = {("one", "a"): (1.0, 1.0), ("one", "b"): (1.0, 1.0), ("two", "c"): (2.0, 2.0)}
    first = {("one", "a"): (0.8, 1.2), ("one", "b"): (1.0, 0.6), ("two", "c"): (2.0, 1.0)}
    better = {("one", "a"): (0.6, 1.0), ("one", "b"): (0.8, 0.4), ("two", "c"): (1.0, 1.0)}
    one_domain = {("two", "c"): (3.0, 2.0)}
    runs = [
        (name, run(tmp_path / name, {"refine": refine, "user_median": median}))
        for name, refine in (("first", first), ("better", better), ("left out", one_domain))
    ]
    rows = {row["name"]: row for row in compared(runs)}
    # Means of domains: (.9 + 1.5) / 2 by (1 + 2) / 2.
    assert rows["first"]["ratio"]["value"] == pytest.approx(0.8)
    assert rows["first"]["difference"]["value"] == 0
    assert rows["better"]["difference"]["value"] == pytest.approx((-0.2 - 0.5) / 2)
    assert rows["better"]["users"] == 3
    # A run of one domain stands beside that domain's users alone.
    assert rows["left out"]["difference"]["value"] == pytest.approx(1.0)
    assert rows["left out"]["ratio"]["value"] == pytest.approx(1.25)
    assert rows["left out"]["users"] == 1


def test_runs_of_one_name_are_judged_together(tmp_path: Path) -> None:
    a, b = ("one", "a"), ("two", "b")
    median = {a: (1.0,), b: (2.0,)}
    first, part, other = (
        run(tmp_path / name, {"refine": refine, "user_median": {user: median[user] for user in refine}})
        for name, refine in (("first", median), ("part", {a: (1.5,)}), ("other", {b: (2.1,)}))
    )
    row = compared([("first", first), ("each", part), ("each", other)])[1]
    assert (row["name"], row["users"]) == ("each", 2)
    assert row["ratio"]["value"] == pytest.approx(3.6 / 3.0)
    assert row["difference"]["value"] == pytest.approx((0.5 + 0.1) / 2)
    with pytest.raises(SystemExit, match="the same users"):
        compared([("first", first), ("first", part)])


def test_runs_that_compute_in_other_numbers_are_not_compared(tmp_path: Path) -> None:
    results = json.loads((RESULTS / "demo.json").read_text("utf-8"))
    runs = [tmp_path / name for name in ("first", "same", "other", "of an earlier version")]
    for place, numbers in zip(runs, ("bfloat16", "bfloat16", "32-bit floats", ""), strict=True):
        engine = {"fingerprint": place.name, "computes_in": numbers}
        place.mkdir()
        held = {**results, "engines": {"predictor": engine} if numbers else {}}
        (place / "results.json").write_text(json.dumps(held), "utf-8")
    assert engines_of(runs[:2]) == {"predictor": {"fingerprint": "first", "computes_in": "bfloat16"}}
    assert engines_of([runs[3]]) == {} and engines_of([runs[3], runs[0]]) == engines_of(runs[:2])
    with pytest.raises(SystemExit, match="other computes in other numbers than .*first"):
        engines_of(runs[:3])
