"""Are refined personas language, or a code between one policy and one predictor? Change their texts and predict again.

    python benchmarks/language.py RUNS/results [RUNS/more …] --other RUNS/other-predictor > language.json

Takes the last persona of `refine` of each user in runs of `deeper evaluate`. The run's predictor predicts the next
window from three texts: the persona itself; its level sentence alone (the first that names a level); and a paraphrase
with words that the describer never uses, the end of a sentence moved to its front where possible, and the sentences in
reverse order. A second predictor predicts from the persona itself. Differences and ratios are of domain means, paired
by user, with 95 % intervals. Prints JSON.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.load import load_windows
from deeper.commands.evaluate.settings import is_calibrated
from deeper.commands.execution.engines import make_engines
from deeper.domains import Domain
from deeper.domains.level_words import LEVEL_WORDS
from deeper.engine import Engine
from deeper.evaluation.results_schema import read_results
from deeper.measure.metrics import mean_absolute_error
from deeper.persona.calibration import Calibration, fit_calibration
from deeper.persona.predict import PREDICT_INPUT, predict
from deeper.persona.prompts.templates import load_prompts
from deeper.storage import layout
from deeper.storage.provenance import provenance
from paired import SEED, Key, Row, difference, ratio, with_interval

LEVEL = {word for words in LEVEL_WORDS for word in words}
FOREIGN = {
    **dict(zip((words[0] for words in LEVEL_WORDS),
               ("appalling", "ghastly", "unsatisfying", "inferior", "middling", "tolerable", "reasonable", "enjoyable",
                "outstanding", "magnificent"), strict=True)),
    "person": "reader", "usual": "customary", "usually": "customarily", "verdict": "assessment",
    "verdicts": "assessments", "opinions": "assessments", "average": "typical", "finds": "considers",
    "calls": "labels", "judge": "rate", "tends": "inclines", "strike": "impress", "often": "repeatedly",
    "frequently": "repeatedly", "seldom": "infrequently", "rarely": "infrequently", "mostly": "predominantly",
    "lately": "recently", "kinder": "gentler", "harsher": "tougher", "generous": "lenient", "stricter": "sterner",
    "praise": "acclaim", "marks": "grades", "top": "summit", "bottom": "floor", "delighted": "thrilled",
    "love": "adore", "fond": "enamoured", "enjoy": "savour", "dislike": "loathe", "patience": "tolerance",
    "perhaps": "possibly", "vary": "change", "slightly": "marginally", "noticeably": "visibly",
    "hugely": "enormously", "widely": "broadly", "little": "scant", "new": "unfamiliar", "known": "familiar",
    "impression": "glimpse", "acquaintance": "familiarity",
}  # fmt: skip
"""Words of the describer, each with a replacement that it never uses."""
FRONTED = re.compile(r"^(.+) ((?:for|with|to|from|towards|as|of) [^,;:]+)$")


def main() -> None:
    """Predict from the changed personas, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="run folders of deeper evaluate")
    parser.add_argument("--other", default="", help="adapter of a second predictor, trained independently")
    given = parser.parse_args()
    found: dict[str, dict[Key, float]] = {}
    for run in given.runs:
        for way, errors in errors_by_text(run, given.other).items():
            found.setdefault(way, {}).update(errors)
    whole = found.pop("whole")
    result = {"benchmark": "language", **provenance(), "seed": SEED, "runs": [run.name for run in given.runs]}
    result |= {way: compared(errors, whole) for way, errors in found.items()}
    print(json.dumps(result, indent=1, allow_nan=False))


def errors_by_text(run: Path, other: str) -> dict[str, dict[Key, float]]:
    """Return the errors of each user's last refined persona in the next window, by kind of text."""
    config = read_results(run / layout.RESULTS_FILE).config
    loaded = load_windows(config["data"], config["domains"] or None)
    domains, prompts = loaded.domains, load_prompts(config["prompts"], config["evidence"])
    windows: dict[Key, list[Any]] = {}
    for row in loaded.windows.to_pylist():
        windows.setdefault((row["domain"], row["user"]), []).append(row["items"])
    last: dict[Key, Row] = {}
    personas = pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    for row in personas:
        key = (row["domain"], row["user"])
        is_kept = row["method"] == "refine" and row["stage"] == "final" and not row["failure"]
        if is_kept and row["k"] + 1 < len(windows[key]) and row["k"] > last.get(key, {"k": 0})["k"]:
            last[key] = row
    # A run with a calibration has one for each predictor, fitted on the first personas of its calibration users.
    first = pa.concat_tables(pq.read_table(path) for path in sorted((run / "initialise").glob("*.parquet")))
    evaluated = {(row["domain"], row["user"]) for row in personas}
    written = [row for row in first.to_pylist() if row["stage"] == "final" and not row["failure"]]
    calibrating = [row for row in written if (row["domain"], row["user"]) not in evaluated]
    ways: Mapping[str, Callable[[str], str]] = {"whole": str, "level_only": level_only, "paraphrase": paraphrase}
    errors: dict[str, dict[Key, float]] = {}
    for adapter in (config["predictor_adapter"], *([other] if other else [])):
        engine = make_engines({"predictor": (config["predictor_engine"], adapter)}, prompts, "exact")["predictor"]

        def ask(rows: Sequence[Row], change: Callable[[str], str] = str, engine: Engine = engine) -> pa.Table:
            asked = [_asked((row["domain"], row["user"]), change(row["text"]), row["k"] + 1, windows) for row in rows]
            table = pa.Table.from_pylist(asked, schema=PREDICT_INPUT)
            return predict(table, engine, prompts, domains, config["readout"], SEED)

        is_mapped = is_calibrated(config["calibration"], adapter)
        maps = fit_calibration(ask(calibrating), windows, domains) if is_mapped else Calibration({}, None)
        for way, change in [("second_predictor", str)] if adapter == other else ways.items():
            errors[way] = _errors(maps.calibrate(ask(list(last.values()), change), domains), windows, domains)
    return errors


def level_only(persona: str) -> str:
    """Return the first sentence that names a level, or an empty text."""
    sentences = re.findall(r"[^.]+\.", persona)
    return next((text.strip() for text in sentences if LEVEL & {*re.findall(r"[\w-]+", text.lower())}), "")


def paraphrase(persona: str) -> str:
    """Return the persona in other words and another order."""
    changed: list[str] = []
    for sentence in re.findall(r"[^.]+", persona):
        words = re.sub(r"[\w-]+", lambda word: FOREIGN.get(word[0].lower(), word[0]), sentence.strip())
        if found := FRONTED.match(words):
            words = f"{found[2]}: {found[1]}"
        changed += [words[0].upper() + words[1:] + "."] if words else []
    return " ".join(reversed(changed))


def compared(errors: Mapping[Key, float], whole: Mapping[Key, float]) -> Row:
    """Return the difference and the ratio to the error of the whole persona."""
    both = errors.keys() & whole.keys()
    return {
        "difference": with_interval(difference(errors, whole)),
        "ratio": with_interval(ratio(errors, whole)),
        "users": len(both),
    }


def _asked(key: Key, text: str, k: int, windows: Mapping[Key, Any]) -> Row:
    titles = [item["title"] for item in windows[key][k]]
    targets = [{"k": k, "titles": titles}]
    return {"persona_id": key[1], "user": key[1], "domain": key[0], "persona": text, "targets": targets}


def _errors(predicted: pa.Table, windows: Mapping[Key, Any], domains: Mapping[str, Domain]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for row in predicted.to_pylist():
        key = (row["domain"], row["user"])
        actual = np.array([item["rating"] for item in windows[key][row["k"]]])
        rated = domains[row["domain"]].is_rated(actual)
        if not row["failure"] and rated.any():
            found[key] = mean_absolute_error(np.array(row["points"])[rated], actual[rated])
    return found


if __name__ == "__main__":
    main()
