"""Compare two ways to train a predictor: ten items behind one persona prefix, or one item a sequence.

    python benchmarks/train_predictor.py [--windows 4] [--layers all|upper]

Both train the same model on the same windows, forwards and backwards, in turns. The figure is the ratio of their median
items per second. Prints JSON. Needs the extra [train].
"""

import argparse
import json
import time
from dataclasses import replace
from statistics import median
from typing import Any

from deeper.commands.train.settings import PredictorSettings
from deeper.commands.train.start import load_base, plan_of
from deeper.commands.train.train_users import users_of
from deeper.learning.examples.readings import training_readings
from deeper.learning.examples.user_windows import prefixes_by_domain
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.learning.training.lora import with_lora
from deeper.learning.training.predictor import Encoder, Example, losses
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.provenance import provenance


def one_by_one(encode: Encoder, example: Example) -> list[Example]:
    """Return an example for each item of a window, each with its own persona prefix."""
    reading = example.reading
    pairs = zip(reading.titles, reading.ratings, strict=True)
    return [encode(replace(reading, titles=(title,), ratings=(rating,))) for title, rating in pairs]


def seconds(model: Any, parts: list[list[Example]]) -> float:
    """Return the seconds of one pass over sequences, forwards and backwards."""
    since = time.perf_counter()
    for part in parts:
        losses(model, part).mean().backward()
    model.zero_grad()
    return time.perf_counter() - since


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--layers", choices=("all", "upper"), default="all")
    asked = parser.parse_args()
    settings = PredictorSettings(users=20, steps=1, layers=asked.layers)
    users = users_of(settings)
    plan = plan_of(settings, sum(map(len, prefixes_by_domain(users.train).values())))
    _, model, tokenizer = load_base(settings)
    model = with_lora(model, plan)
    model.train()
    encode = Encoder(tokenizer, load_prompts())
    readings, _ = training_readings(users.train, {}, asked.windows + 1, settings.seed, fit_expected_ratings)
    warm_up, *examples = map(encode, readings)
    seconds(model, [[warm_up]])
    packed, apart = [], []
    for example in examples:
        items = len(example.reading.titles)
        packed.append(items / seconds(model, [[example]]))
        # One batch of equal prefixes pads little: the best that can be done without sharing the prefix.
        apart.append(items / seconds(model, [one_by_one(encode, example)]))
    print(
        json.dumps(
            {
                "packed_items_per_second": median(packed),
                "one_by_one_items_per_second": median(apart),
                "speedup": median(packed) / median(apart),
                "windows": asked.windows,
                "layers": asked.layers,
                **provenance(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
