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
from collections.abc import Callable, Mapping
from pathlib import Path

from deeper.domains.level_words import LEVEL_WORDS
from deeper.storage.provenance import provenance
from paired import SEED, Key, Row, difference, ratio, with_interval
from predict_again import Again, again, level_only, of_measure

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
    ways: Mapping[str, Callable[[str], str]] = {"whole": str, "level_only": level_only, "paraphrase": paraphrase}
    first = again(run)
    last = last_refined(first)
    changed = {way: [({**row, "text": change(row["text"])}, k) for row, k in last] for way, change in ways.items()}
    errors = {way: of_measure(first.errors(personas), "mae") for way, personas in changed.items()}
    if other:
        errors["second_predictor"] = of_measure(again(run, other).errors(last), "mae")
    return errors


def last_refined(run: Again) -> list[tuple[Row, int]]:
    """Return the last persona of `refine` of each user, with the number of the next window."""
    last: dict[Key, Row] = {}
    for row in run.run.personas.to_pylist():
        key = (row["domain"], row["user"])
        is_kept = row["method"] == "refine" and row["stage"] == "final" and not row["failure"]
        if is_kept and row["k"] + 1 < len(run.windows[key]) and row["k"] > last.get(key, {"k": 0})["k"]:
            last[key] = row
    return [(row, row["k"] + 1) for row in last.values()]


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


if __name__ == "__main__":
    main()
