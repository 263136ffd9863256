"""The part of `speed.py` that compares with the published flow, on the same model, prompts and machine.

The published flow sends one request after the other and shares nothing between them. One request writes a persona; one
answer in JSON holds the ratings of a window. Here its answers have a fixed, well-formed length, so it loses no time to
wrong answers of a small model: a persona as long as ours, and ten ratings in one of `FORMS`. Its parser takes the text
between the first "[" and the last "]". We do not know that text. The figures use the shortest form, bare numbers; the
longer form stands beside them.
"""

import json
from collections.abc import Mapping

import pyarrow as pa

from deeper.engine import Prompt
from deeper.persona.predict import predict
from deeper.persona.prompts.item_lines import quote
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.stages import update
from deeper.persona.update_input import UPDATE_INPUT
from deeper.persona.updaters import MODULES
from deeper.persona.write import Writer
from sample_reward import well_formed_persona
from speed_engine import bare, embedded, needed_tokens, seconds_a_token, to_predict
from speed_shared import (
    DOMAINS,
    RUN,
    SEED,
    WHOLE,
    Figure,
    Say,
    Sizes,
    Watched,
    figure,
    in_turns,
    planted_windows,
    ratios,
    seconds,
)

FORMS = {
    "numbers": lambda titles: json.dumps([4.0] * len(titles)),
    "titles": lambda titles: json.dumps([{WHOLE.item_noun: title, "rating": 4.0} for title in titles], indent=2),
}
"""An answer with the ratings of a window: bare numbers, or one object for each item."""
TARGETS = {"prediction": 6.0, "refinement": 3.5, "round": 4.0}
TARGETS_WITH_TITLES = {"prediction": 20.0, "round": 4.0}


def published(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure the seconds of the published flow divided by ours: ten ratings predicted, a persona refined, and both."""
    engine, loop, prompts = embedded(), bare(), load_prompts()
    asked = to_predict(sizes.read, 1)
    inputs = update_inputs(sizes.written)
    writer = Writer(engine, prompts, RUN["max_persona_tokens"], SEED)
    watched = Watched(engine)
    personas = update(inputs, Writer(watched, prompts, writer.max_tokens, SEED), DOMAINS, MODULES)
    lists = [_list_prompt(prompts, row) for row in asked.slice(0, sizes.asked).to_pylist()]
    answers = {form: [len(loop.ids(answer(titles))) for _, titles in lists] for form, answer in FORMS.items()}
    kept = sum(personas["tokens"].to_pylist()) / inputs.num_rows
    rewrites = [(prompt, round(kept)) for prompt, _ in watched.written[: sizes.asked]]

    tokens_each = needed_tokens(asked) / asked.num_rows

    def one_by_one(requests: list[tuple[Prompt, int]]) -> float:
        return seconds(lambda: [loop.answer([prompt], [length]) for prompt, length in requests]) / len(requests)

    sides = {
        "prediction": lambda: (
            seconds(lambda: predict(asked, engine, prompts, DOMAINS, "distribution", SEED)) / asked.num_rows
        ),
        "refinement": lambda: seconds(lambda: update(inputs, writer, DOMAINS, MODULES)) / inputs.num_rows,
        "published refinement": lambda: one_by_one(rewrites),
        "prediction at best": lambda: seconds_a_token(asked) * tokens_each,
        "refinement at best": lambda: (
            seconds(lambda: loop.answer(*zip(*watched.written, strict=True))) / inputs.num_rows
        ),
    }
    for form, lengths in answers.items():
        requests = [(prompt, length) for (prompt, _), length in zip(lists, lengths, strict=True)]
        sides[f"published prediction, {form}"] = lambda requests=requests: one_by_one(requests)
    found = in_turns(sides, sizes.repeats, say)
    counts = {
        "read_at_once": asked.num_rows,
        "refined_at_once": inputs.num_rows,
        "asked_one_by_one": sizes.asked,
        "persona_tokens": round(kept, 1),
    }
    return _figures(found, answers, counts)


def _figures(
    found: Mapping[str, list[float]], answers: Mapping[str, list[int]], counts: Mapping[str, float]
) -> dict[str, Figure]:
    """Return for each kind the figure with bare numbers, the best that is possible, and the value with titles."""
    labels = {
        "prediction": "the ratings of a window of ten items predicted from a persona",
        "refinement": "a persona refined",
        "round": "a window predicted and the persona refined",
    }
    best = (
        "The same, if ours were as fast as the bare pipeline: a prediction that reads each necessary token once, and "
        "refinements that write all texts as one batch."
    )

    def compared(kind: str, form: str, ours: str) -> list[float]:
        """Return ratios turn by turn; `ours` is a suffix of the names of our sides."""
        predicted = found[f"published prediction, {form}"], found[f"prediction{ours}"]
        refined = found["published refinement"], found[f"refinement{ours}"]
        both = [[sum(two) for two in zip(*part, strict=True)] for part in zip(predicted, refined, strict=True)]
        return ratios(*{"prediction": predicted, "refinement": refined, "round": both}[kind])

    figures: dict[str, Figure] = {}
    for kind, target in TARGETS.items():
        how = (
            f"Seconds of the published flow divided by ours, {labels[kind]}. It sends one request after the other to "
            "OpenVINO GenAI's pipeline and shares nothing. Ratings are a JSON list of ten numbers; answers have a "
            "fixed, well-formed length."
        )
        one = figure(compared(kind, "numbers", ""), target, "higher", how, **counts)
        one["at_best"] = figure(compared(kind, "numbers", " at best"), target, "higher", best)
        if kind != "refinement":
            one["answer_tokens"] = {form: max(lengths) for form, lengths in answers.items()}
            titles = compared(kind, "titles", "")
            wanted = TARGETS_WITH_TITLES[kind]
            one["with_titles"] = figure(titles, wanted, "higher", "The same, each rating beside its title.")
        figures[f"{kind}_vs_published"] = one
    return figures


def update_inputs(users: int) -> pa.Table:
    """Return `UPDATE_INPUT` rows for the first refinement of planted users."""
    windows: dict[str, list[list[dict[str, object]]]] = {}
    for row in planted_windows(users, 0).to_pylist():
        windows.setdefault(row["user"], []).append(row["items"])
    rows = [
        {
            "user": user,
            "domain": WHOLE.id,
            "method": "refine",
            "k": 1,
            "parent": "old",
            "persona": well_formed_persona(number),
            "windows": own[:2],
            "predicted": [3.0] * 10,
        }
        for number, (user, own) in enumerate(windows.items())
    ]
    return pa.Table.from_pylist(rows, schema=UPDATE_INPUT)


def _list_prompt(prompts: Prompts, row: dict[str, object]) -> tuple[Prompt, list[str]]:
    """Return the prompt that asks for the ratings of a window as a list, and the titles."""
    [target] = row["targets"]  # type: ignore[misc]
    titles = target["titles"]
    items = "\n".join(map(quote, titles))
    return prompts.render("predict_list", WHOLE, persona=row["persona"], items=items, count=len(titles)), titles
