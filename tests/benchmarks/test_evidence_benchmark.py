"""benchmarks/evidence.py: what it fits is found again where it is known; statements meet what came after them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeper.behaviour.planted.plant import PLANTED, plant_users, write_planted
from deeper.domains import Domain, Scale
from deeper.persona.evidence.recipe import EVIDENCE

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import evidence

STARS = Domain("stars", "Stars", "stone", Scale(1, 5, 1), unrated=(0,))
FINE = replace(STARS, scale=Scale(-100, 100, 2))


def drawn(ratio: float, sigma: float, rng: np.random.Generator, kinds: str = "abcdef") -> list[list[dict[str, Any]]]:
    """A user of four windows whose tastes deviate by ratio · sigma and whose ratings by sigma."""
    effect = dict(zip(kinds, rng.normal(0, ratio * sigma, len(kinds)), strict=True))

    def item(number: int) -> dict[str, Any]:
        kind = kinds[int(rng.integers(len(kinds)))]
        return {"title": f"{number}", "categories": [kind], "rating": float(effect[kind] + rng.normal(0, sigma))}

    return [[item(10 * k + i) for i in range(10)] for k in range(4)]


def test_shares_of_strong_tastes_are_found_again() -> None:
    rng, span = np.random.default_rng(1), 200
    ratios = EVIDENCE.kind_deviations[1], EVIDENCE.kind_deviations[4]
    users = [drawn(ratios[n % 4 == 0], EVIDENCE.noise * span, rng) for n in range(200)]
    found = evidence.log_likelihoods(users, FINE)
    weights = evidence.deviation_weights(found["categories"])
    assert found["categories"].shape == (200, len(weights)) and len(found["words"]) == 0
    assert sum(weights) == pytest.approx(1, abs=0.01)
    assert weights[4] == pytest.approx(0.25, abs=0.08)
    assert weights[0] + weights[1] + weights[2] == pytest.approx(0.75, abs=0.08)


def test_the_distribution_of_noise_is_found_again() -> None:
    rng, freedom, scale = np.random.default_rng(2), 12.0, 0.2
    variances = freedom * scale**2 / rng.chisquare(freedom, 3000)
    users = [[[{"title": "x", "rating": value} for value in rng.normal(0, 200 * deviation, 40)]]
             for deviation in np.sqrt(variances)]  # fmt: skip
    found = evidence.noise(users, FINE)
    assert found["noise"] == pytest.approx(scale, abs=0.01)
    assert found["noise_weight"] == pytest.approx(freedom, rel=0.25)
    assert evidence.noise(users[:1], FINE) == {"noise": None, "noise_weight": None}


def window(**rated: float) -> list[dict[str, Any]]:
    return [{"title": f"{kind} {i}", "categories": [kind.upper()], "rating": rating}
            for kind, rating in rated.items() for i in range(5)]  # fmt: skip


def test_a_statement_is_tested_on_the_next_window_alone() -> None:
    loved, same, turned = window(a=5, b=3, c=3), window(a=4, b=3, c=3), window(a=2, b=3, c=3)
    unseen = window(b=3, c=3)
    right = evidence.tested_statements([[loved, same], [loved, same]], STARS)["clear"]
    assert (right["users"], right["statements"], right["told"]) == (2, 2, 1.0)
    assert right["right"] == {"value": 1.0, "ci": [1.0, 1.0]} and right["difference"]["value"] == 1.0
    assert 1 < right["stated"]["value"] < 2
    assert right["kept"]["value"] == pytest.approx(1 / right["stated"]["value"], abs=1e-3)
    wrong = evidence.tested_statements([[loved, turned]], STARS)["clear"]
    assert wrong["right"] == {"value": 0.0, "ci": None} and wrong["difference"]["value"] == -1.0
    untested = evidence.tested_statements([[loved, unseen]], STARS)["clear"]
    assert (untested["users"], untested["told"]) == (0, 1.0) and "right" not in untested


def test_each_user_weighs_the_same() -> None:
    loved, same, turned = window(a=5, b=3, c=3), window(a=4, b=3, c=3), window(a=2, b=3, c=3)
    found = evidence.tested_statements([[loved, loved, loved, same], [loved, turned]], STARS)["clear"]
    assert found["statements"] > 4 and found["right"]["value"] == 0.5


def test_it_prints_what_planted_users_show(tmp_path: Path) -> None:
    write_planted(plant_users(250, 4, seed=4), tmp_path / "data")
    script = Path(evidence.__file__)
    done = subprocess.run([sys.executable, str(script), "--data", str(tmp_path / "data")],
                          capture_output=True, text=True, check=True)  # fmt: skip
    found = json.loads(done.stdout)
    assert found["benchmark"] == "evidence" and {"commit", "versions", "machine", "seed"} <= found.keys()
    assert found["sizes"][PLANTED.id]["fitted"] > found["sizes"][PLANTED.id]["tested"] > 5
    assert found["recipe"]["category_weights"] == list(EVIDENCE.category_weights)
    weights = found["fitted"][PLANTED.id]["weights"]["categories"]
    assert weights == found["fitted"]["all_categories"]["weights"] and sum(weights[3:]) > 0.5, (
        "planted tastes are strong"
    )
    clear = found["statements"][PLANTED.id]["clear"]
    assert clear["told"] > 0.5 and clear["difference"]["ci"][0] > 0 and clear["right"]["ci"][0] > 0.5
