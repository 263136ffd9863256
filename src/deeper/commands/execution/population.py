"""Who is in a run: eval users that are judged, and train users that calibrate the predictor."""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from deeper.behaviour.load import Loaded
from deeper.behaviour.splits import part, some_of_each_domain, user_hash
from deeper.behaviour.users import Key, Windows


@dataclass(frozen=True)
class Population:
    """The users of a run, sorted by domain and user, with their windows.

    Attributes:
        eval: Users whose personas are judged.
        calibration: Train users whose S_0 → W_1 calibrates the predictor, and whose rounds history is fitted on.
        table: WINDOW rows of the eval users above and of all train users: what baselines may be fitted on.
    """

    eval: Windows
    calibration: Windows
    table: pa.Table


def on_validation(loaded: Loaded) -> Loaded:
    """The data with validation users in the place of eval users, who are left out: for choices, never for results."""
    rows = loaded.windows.to_pylist()
    split = ["eval" if part(row["domain"], row["user"]) == "validation" else "train" for row in rows]
    index = loaded.windows.schema.get_field_index("split")
    relabelled = loaded.windows.set_column(index, loaded.windows.schema.field(index), pa.array(split))
    kept = relabelled.filter(pa.array([row["split"] == "train" for row in rows]))
    return replace(loaded, windows=kept, source=f"{loaded.source}, validation users")


def on_all(loaded: Loaded) -> Loaded:
    """The data with all users as eval users: nobody is kept for calibration, training or the baselines alone."""
    index = loaded.windows.schema.get_field_index("split")
    split = pa.array(["eval"] * loaded.windows.num_rows, pa.string())
    windows = loaded.windows.set_column(index, loaded.windows.schema.field(index), split)
    windows = windows.sort_by([("domain", "ascending"), ("user", "ascending"), ("k", "ascending")]).combine_chunks()
    return replace(loaded, windows=windows, source=f"{loaded.source}, all users")


def choose_population(
    loaded: Loaded, users: int, calibration_users: int, read_before: frozenset[str] = frozenset()
) -> Population:
    """Choose users by a hash of their id, so that a smaller run is a part of a larger one.

    Args:
        loaded: The data.
        users: Eval users of each domain, at most.
        calibration_users: Train users of each domain, at most.
        read_before: Hashes (`user_hash`) of users that the predictor was trained on: it remembers their ratings, so
            that they calibrate nothing.
    """
    rows = loaded.windows.to_pylist()
    windows: dict[str, dict[Key, list[Any]]] = {"eval": {}, "train": {}}
    for row in rows:
        windows[row["split"]].setdefault((row["domain"], row["user"]), []).append(row["items"])
    new = [key for key in windows["train"] if user_hash(*key) not in read_before]
    judged = {key: windows["eval"][key] for key in some_of_each_domain(windows["eval"], users)}
    calibrating = {key: windows["train"][key] for key in some_of_each_domain(new, calibration_users)}
    keep = [row["split"] == "train" or (row["domain"], row["user"]) in judged for row in rows]
    return Population(judged, calibrating, loaded.windows.filter(pa.array(keep)))
