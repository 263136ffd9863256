"""Choose the users of a run: those whose personas are evaluated, and those that predictions are calibrated on."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.load import Loaded
from deeper.behaviour.splits import part, some_of_each_domain, user_hash
from deeper.behaviour.users import Key, Windows, key_of, keys_of
from deeper.errors import UserError


@dataclass(frozen=True)
class Population:
    """The users of a run, sorted by domain and user, with their windows.

    Attributes:
        eval: Users whose personas are evaluated.
        calibration: Train users. The calibration is fitted on their W_1 predicted from S_0, history on their rounds.
        table: `WINDOW` rows of these eval users and of all train users; baselines may be fitted on them.
    """

    eval: Windows
    calibration: Windows
    table: pa.Table


def on_validation(loaded: Loaded) -> Loaded:
    """Replace the eval users by the validation users: for choices, never for results."""
    rows = loaded.windows.to_pylist()
    split = ["eval" if part(*key_of(row)) == "validation" else "train" for row in rows]
    index = loaded.windows.schema.get_field_index("split")
    relabelled = loaded.windows.set_column(index, loaded.windows.schema.field(index), pa.array(split))
    kept = relabelled.filter(pa.array([row["split"] == "train" for row in rows]))
    return replace(loaded, windows=kept, source=f"{loaded.source}, validation users")


def on_all(loaded: Loaded) -> Loaded:
    """Make all users eval users. None is left for calibration, training or fitting baselines."""
    index = loaded.windows.schema.get_field_index("split")
    split = pa.array(["eval"] * loaded.windows.num_rows, pa.string())
    windows = loaded.windows.set_column(index, loaded.windows.schema.field(index), split)
    windows = windows.sort_by([("domain", "ascending"), ("user", "ascending"), ("k", "ascending")]).combine_chunks()
    return replace(loaded, windows=windows, source=f"{loaded.source}, all users")


def choose_population(
    loaded: Loaded, users: int, calibration_users: int, trained_on: frozenset[str] = frozenset(), skip: int = 0
) -> Population:
    """Choose users by a hash of their id. A larger run therefore includes the users of a smaller one.

    Args:
        loaded: The data.
        users: Eval users of each domain, at most.
        calibration_users: Train users of each domain, at most.
        trained_on: Hashes (`user_hash`) of users that the predictor was trained on. It remembers their ratings, so the
            calibration leaves them out.
        skip: Eval users of each domain to pass over: those that a run with `users = skip` judges.
    """
    rows = loaded.windows.to_pylist()
    windows: dict[str, dict[Key, list[Any]]] = {"eval": {}, "train": {}}
    for row in rows:
        windows[row["split"]].setdefault(key_of(row), []).append(row["items"])
    unknown = [key for key in windows["train"] if user_hash(*key) not in trained_on]
    evaluated = {key: windows["eval"][key] for key in some_of_each_domain(windows["eval"], users, skip)}
    calibration = {key: windows["train"][key] for key in some_of_each_domain(unknown, calibration_users)}
    keep = [row["split"] == "train" or key_of(row) in evaluated for row in rows]
    return Population(evaluated, calibration, loaded.windows.filter(pa.array(keep)))


def notes_on_skipped(loaded: Loaded, skip: int, split: str) -> list[str]:
    """What readers of the results must know about the users that are passed over.

    Args:
        loaded: The data.
        skip: As for `choose_population`.
        split: The setting that says which users are its eval users.

    Raises:
        UserError: No user is left in any domain.
    """
    users = set(keys_of(loaded.windows.filter(pc.field("split") == "eval")))
    counts = Counter(domain for domain, _ in sorted(users))
    if not skip or not counts:
        return []
    most = max(counts.values())
    if most <= skip:
        raise UserError(
            f"all users are skipped: no domain has more than {most} {'' if split == 'all' else f'{split} '}users",
            where=f"skip_users = {skip}",
            do=f"use --skip-users {most - 1} or fewer, or add data",
        )
    empty = [domain for domain, count in counts.items() if count <= skip]
    notes = [f"users: skips the first {skip} of each domain, which a run with --users {skip} judges"]
    return notes + [f"users: none left in {domain}, which has {counts[domain]}" for domain in empty]
