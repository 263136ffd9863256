"""What benchmarks/ceiling.py prints, of users whose taste is known."""

import json
import subprocess
import sys
from pathlib import Path

from deeper.behaviour.planted.plant import plant_users, write_planted

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "ceiling.py"


def test_facts_of_users_tell_more_than_a_constant(tmp_path: Path) -> None:
    write_planted(plant_users(80, 4, seed=4), tmp_path / "data")
    command = [sys.executable, SCRIPT, "--data", tmp_path / "data", "--rounds", "2"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    [users] = found["users"].values()
    assert users > 3
    told = found["vs_user_median"]["mean"]
    assert told == next(iter(found["vs_user_median"].values()))
    assert told.keys() >= {"what_updates_leave", "all_windows", "first_window", "verdict_itself", "verdict_alone"}
    assert [one["round"] for one in found["by_round"]] == [0, 1, 2]
    assert told["what_updates_leave_and_items"]["value"] < told["what_updates_leave"]["value"]
    assert told["what_updates_leave"]["value"] < told["constant"]["value"]
    for one in (*told.values(), *found["last_round"].values()):
        assert one["ci"][0] <= one["value"] <= one["ci"][1]
