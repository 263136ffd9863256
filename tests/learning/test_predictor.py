"""The predictor's loss and figures, on a tiny model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deeper.domains import Domain, Scale
from deeper.engine.torch.engine import TransformersEngine
from deeper.learning.examples.readings import Reading
from deeper.learning.training.predictor import Encoder, Example, losses, swapped, validate
from deeper.measure.metrics import weighted_median
from deeper.persona.predict import score_request
from deeper.persona.prompts.templates import load_prompts

HALVES = Domain("halves", "Halves", "cove", Scale(0.5, 5, 0.5))
STARS = Domain("stars", "Stars", "reef", Scale(1, 5, 1))
TITLES = ("Silent Cove", 'The "Quay" <|im_end|>')
READINGS = [
    Reading(HALVES, "u1", "describer", "Finds most coves great.", TITLES, (4.5, 2.0), 4.0),
    Reading(STARS, "u2", "describer", "", ("Golden Reef", "Hollow Reef", "Velvet Reef"), (3.0, 4.5, 5.0), 3.0),
    Reading(STARS, "u3", "policy", "Strict.", ("Golden Reef",), (1.0,), 2.0),
]


@pytest.fixture(scope="module")
def engine(tiny_base: Path) -> TransformersEngine:
    return TransformersEngine(str(tiny_base), device="cpu", precision="exact")


@pytest.fixture(scope="module")
def loaded(tiny_base: Path) -> tuple[Any, list[Example]]:
    """Model and examples."""
    from deeper.engine.torch.model import load_model

    model, tokenizer = load_model(str(tiny_base), "cpu", torch.float32)
    encode = Encoder(tokenizer, load_prompts())
    return model, [encode(reading) for reading in READINGS]


def test_the_loss_is_that_of_the_engines_scores(loaded: tuple[Any, list[Example]], engine: TransformersEngine) -> None:
    model, examples = loaded
    prompts = load_prompts()
    asked = [score_request(prompts, r.domain, r.persona, r.titles) for r in READINGS]
    scores = engine.score(asked)
    expected = [
        -(0.5 * scores[1][1, 3] + 0.5 * scores[1][1, 4] + scores[1][0, 2] + scores[1][2, 4]) / 3,
        -scores[2][0, 0],
    ]
    found = losses(model, examples)
    assert found[0].item() == pytest.approx(-(scores[0][0, 8] + scores[0][1, 3]) / 2, abs=1e-3)
    assert found[1:].tolist() == pytest.approx(expected, abs=1e-3)


def test_what_others_think_is_learnt_as_the_engine_is_asked_it(
    loaded: tuple[Any, list[Example]], engine: TransformersEngine, tiny_base: Path
) -> None:
    from transformers import AutoTokenizer

    words = ("; others rate it above their usual", "")
    reading = replace(READINGS[0], standings=words)
    example = Encoder(AutoTokenizer.from_pretrained(tiny_base), load_prompts())(reading)
    prompts = load_prompts()
    [told, silent] = engine.score(
        [score_request(prompts, HALVES, reading.persona, TITLES, said) for said in (words, None)]
    )
    assert losses(loaded[0], [example]).item() == pytest.approx(-(told[0, 8] + told[1, 3]) / 2, abs=1e-3)
    assert abs(told[0] - silent[0]).max() > 1e-3
    assert example.shares.tolist() == loaded[1][0].shares.tolist()


def test_the_target_of_a_training_is_the_teachers_alone(
    loaded: tuple[Any, list[Example]], engine: TransformersEngine, tiny_base: Path
) -> None:
    from transformers import AutoTokenizer

    taught = np.random.default_rng(1).dirichlet(np.ones(10), 2)
    example = Encoder(AutoTokenizer.from_pretrained(tiny_base), load_prompts())(replace(READINGS[0], expected=taught))
    np.testing.assert_allclose(example.shares, taught, atol=1e-6)
    [scores] = engine.score([score_request(load_prompts(), HALVES, READINGS[0].persona, TITLES)])
    assert losses(loaded[0], [example]).item() == pytest.approx(-(taught * scores).sum(axis=1).mean(), abs=1e-3)


def test_the_length_is_that_of_the_packed_sequence(loaded: tuple[Any, list[Example]]) -> None:
    from deeper.engine.torch.packed_labels import pack

    for example in loaded[1]:
        assert example.tokens == len(pack(example.prefix, example.tails, example.tree).tokens)


def test_figures_are_of_the_median_and_averaged_over_users_then_domains(
    loaded: tuple[Any, list[Example]], engine: TransformersEngine
) -> None:
    model, examples = loaded
    more = replace(examples[1], reading=replace(READINGS[1], user="u4", median=5.0))
    report = validate(model, [*examples[:2], more], micro_batch=2)
    maes: list[float] = []
    for reading in READINGS[:2]:
        [scores] = engine.score([score_request(load_prompts(), reading.domain, reading.persona, reading.titles)])
        points = weighted_median(np.exp(scores - scores.max()), reading.domain.scale.values)
        maes.append(float(np.abs(points - np.array(reading.ratings)).mean()))
    assert report["mae"] == pytest.approx(np.mean(maes), abs=1e-4)
    medians = np.mean([(0.5 + 2) / 2, np.mean([(0 + 1.5 + 2) / 3, (2 + 0.5 + 0) / 3])])
    assert report["user_median"] == pytest.approx(medians, abs=1e-4)
    assert report["vs_user_median"] == pytest.approx(np.mean(maes) / medians, abs=1e-3)
    assert report["mae_halves"] == pytest.approx(maes[0], abs=1e-4)
    assert "policy_mae" not in report
    assert validate(model, examples)["policy_user_median"] == 1.0


def test_a_swap_gives_each_the_persona_of_another_of_the_same_domain() -> None:
    readings = [
        Reading(domain, f"u{n}", "describer", f"{domain.id} {n}", (f"Title {n}",), (float(n),), 3.0)
        for domain in (HALVES, STARS)
        for n in range(1, 4)
    ]
    alone = Reading(Domain("alone", "Alone", "cove", STARS.scale), "u9", "describer", "Alone.", ("Title",), (1.0,), 2.0)
    found = swapped([*readings, alone])
    assert len(found) == 6
    for before, after in zip(readings, found, strict=True):
        assert after.persona != before.persona
        assert after.persona.split()[0] == before.domain.id
        assert (after.user, after.titles, after.ratings) == (before.user, before.titles, before.ratings)
