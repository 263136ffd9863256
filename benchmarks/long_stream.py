"""Long streams: what 20 rounds of `refine` cost and reach, beside writing the persona anew from all ratings.

Part of `substance.py`. It reads a run of `deeper evaluate` whose updaters are `refine` and `full_regeneration`, and
whose users have a window for each round (`long_users.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from deeper.behaviour.users import key_of
from deeper.evaluation.methods import updaters_in
from deeper.evaluation.runs.load_run import Run
from deeper.measure.text import redundancy, words
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.rounds import points_of
from deeper.persona.update_input import update_input, update_row
from deeper.persona.updaters import MODULES, prompt_of
from paired import Key, Row, difference, errors_of, with_interval

PAIR = ("refine", "full_regeneration")
MEDIAN = "user_median"
ERROR_DIGITS = 4


def long_stream(run: Run) -> Row:
    """Compare the methods of a long run.

    Returns:
        `value` and `ci`: MAE of `refine` minus that of `full_regeneration` at the last round. `methods`: by round the
        error (MAE, mean over users) and, for updaters, means a user: length of the persona in tokens, its redundancy,
        and the tokens of the prompt that it was written from.
    """
    if set(updaters_in(run.settings["methods"])) != set(PAIR) or MEDIAN not in run.settings["methods"]:
        raise SystemExit(f"{run.folder} is no run of {', '.join((*PAIR, MEDIAN))}")
    errors, rounds = errors_of(run.folder, "persona"), run.settings["rounds"]
    places = [(method, t) for method in run.settings["methods"] for t in range(rounds + 1)]
    users = set[Key].intersection(*(set(errors.get(place, {})) for place in places))
    at_end = {method: {key: errors[method, rounds][key] for key in users} for method in (*PAIR, MEDIAN)}
    texts, prompts = _texts(run), prompt_tokens(run)
    methods: dict[str, list[Row]] = {}
    for method, t in places:
        mae = float(np.mean([errors[method, t][key] for key in sorted(users)]))
        row = {"round": t, "mae": round(mae, ERROR_DIGITS), **texts.get((method, t), {})}
        methods.setdefault(method, []).append(
            row | ({"prompt_tokens": prompts[method, t]} if (method, t) in prompts else {})
        )
    return {
        **with_interval(difference(at_end[PAIR[0]], at_end[PAIR[1]])),
        "to_user_median": with_interval(difference(at_end[PAIR[0]], at_end[MEDIAN])),
        "users": len(users),
        "rounds": rounds,
        "methods": methods,
    }


def prompt_tokens(run: Run) -> dict[tuple[str, int], float]:
    """Return the tokens of the prompts of each updater and round, mean over users.

    A round's updates are one stage. Its prompt tokens are shared out by the words of the prompts of each updater, which
    are made again.
    """
    templates = load_prompts(run.settings["prompts"], run.settings["evidence"])
    rows = [row for row in run.personas.to_pylist() if row["stage"] == "final"]
    by_id = {row["id"]: row for row in rows}
    windows: dict[Key, list[Sequence[Row]]] = {}
    for row in run.windows.sort_by("k").to_pylist():
        windows.setdefault(key_of(row), []).append(row["items"])
    used: Mapping[str, int] = Counter()
    for row in run.cost.to_pylist():
        used[row["stage"]] += row["tokens_prompt"]
    found: dict[tuple[str, int], float] = {}
    for t in range(1, run.settings["rounds"] + 1):
        points, lengths = points_of(run.predictions, t), {method: [0] for method in PAIR}
        for row in (row for row in rows if row["method"] in PAIR and row["k"] == t):
            parent = by_id[row["parent"]]
            seen = update_row(key_of(row), row["method"], t, parent, windows[key_of(row)], points.get(parent["id"]))
            asked = update_input(seen, run.domains[row["domain"]], run.settings["max_persona_tokens"])
            prompt = prompt_of(MODULES[row["method"]], templates, asked)
            lengths[row["method"]].append(len(f"{prompt.system} {prompt.user}".split()))
        total = sum(map(sum, lengths.values()))
        for method, own in lengths.items():
            if len(own) > 1:
                found[method, t] = round(used[f"update-{t}"] * sum(own) / total / (len(own) - 1), 1)
    return found


def _texts(run: Run) -> dict[tuple[str, int], Row]:
    """Length and redundancy of the personas of each updater and round; S_0 is round 0 of each."""
    rows: dict[tuple[str, int], list[Row]] = {}
    for row in run.personas.to_pylist():
        methods = PAIR if row["method"] == "initialise" else [row["method"]] if row["method"] in PAIR else []
        for method in methods if row["stage"] == "final" else []:
            rows.setdefault((method, row["k"]), []).append(row)
    return {
        place: {
            "tokens": round(float(np.mean([row["tokens"] for row in own])), 1),
            "words": round(float(np.mean([len(words(row["text"])) for row in own])), 1),
            "redundancy": round(float(np.mean([redundancy(row["text"]) for row in own])), 4),
        }
        for place, own in rows.items()
    }
