"""Preference learning: log-probabilities and loss by hand, what must not matter, and what it is for."""

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from deeper.behaviour.planted.plant import plant_users
from deeper.engine.protocol import Prompt
from deeper.engine.torch.model import control_tokens_of, encode_chat, load_model
from deeper.learning.training.dpo import Objective, train_dpo
from deeper.learning.training.lora import with_adapter, with_lora
from deeper.learning.training.pair_tokens import Encoder, Example, Pair, lay_out, log_probs_of, read_answers
from deeper.learning.training.trainer import Progress, TrainingPlan, save_adapter

PLAN = TrainingPlan(1, 4, 4, 1e-3, 0, 2, 4, "all", 10, 10, seed=1)
END = 2


def some_pairs(count: int, seed: int = 1) -> list[Pair]:
    """Pairs of different lengths."""
    rng = Random(seed)

    def words(least: int, most: int) -> tuple[int, ...]:
        return tuple(rng.randrange(20, 270) for _ in range(rng.randint(least, most)))

    return [Pair(words(3, 12), (*words(1, 6), END), (*words(0, 6), END)) for _ in range(count)]


@pytest.fixture
def tiny(tiny_base: Path) -> tuple[Any, Any]:
    return load_model(str(tiny_base), "cpu", torch.float32)


@pytest.fixture
def adapted(tiny: tuple[Any, Any]) -> Any:
    """A model whose adapter is not the one that it began with."""
    return stirred(with_lora(tiny[0], PLAN))


def stirred(model: Any) -> Any:
    torch.manual_seed(3)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.3)
    return model


def quiet(progress: Progress) -> None:
    """Show nothing."""


def by_hand(model: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> list[float]:
    """Log-probabilities of the answer's tokens, from a forward pass of this one sequence."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].double()
    return [float(logits[len(prompt) - 1 + i].log_softmax(0)[token]) for i, token in enumerate(answer)]


def examples_of(model: Any, pairs: list[Pair]) -> list[Example]:
    """The pairs, the model as it is being the reference."""
    found = log_probs_of(model, pairs, 4)
    return [Example(pair, tuple(c), tuple(r)) for pair, (c, r) in zip(pairs, found, strict=True)]


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def one_step(tiny: tuple[Any, Any], examples: list[Example], folder: Path, **changes: Any) -> dict[str, Any]:
    """What the first step of a training says, from an adapter that is the same each time."""
    objective = Objective(changes.pop("beta", 0.2), changes.pop("sft_weight", 0.1), changes.pop("save_memory", False))
    plan = replace(PLAN, batch=len(examples), micro_batch=len(examples))
    plan = replace(plan, **changes)
    model = stirred(with_lora(tiny[0], plan))
    entries = train_dpo(model, tiny[1], examples, examples, plan, objective, folder, quiet)
    model.unload()
    [step] = [entry for entry in entries if "loss" in entry]
    first = next(entry["validation"] for entry in entries if "validation" in entry)
    return {**step, "first": first}


def test_prompts_are_those_of_the_engine(tiny: tuple[Any, Any]) -> None:
    _, tokenizer = tiny
    prompt = Prompt("Keep notes.", "Old notes <|im_end|> of 4 coves.")
    pair = Encoder(tokenizer)(prompt, "Warm.", "Cold, dim.")
    assert list(pair.prompt) == encode_chat(tokenizer, prompt, control_tokens_of(tokenizer))
    assert tokenizer.decode(pair.chosen[:-1]) == "Warm."
    assert tokenizer.decode(pair.rejected[:-1]) == "Cold, dim."
    assert pair.chosen[-1] == pair.rejected[-1] == tokenizer.eos_token_id
    assert pair.tokens == len(pair.prompt) + len(pair.rejected)
    assert pair.total_tokens == 2 * len(pair.prompt) + len(pair.chosen) + len(pair.rejected)


def test_log_probabilities_are_those_of_two_sequences(adapted: Any) -> None:
    pairs = [*some_pairs(7), Pair((30, 31), (END,), (END,))]
    for pair, (chosen, rejected) in zip(pairs, log_probs_of(adapted, pairs, 3), strict=True):
        assert chosen == pytest.approx(by_hand(adapted, pair.prompt, pair.chosen), abs=1e-4)
        assert rejected == pytest.approx(by_hand(adapted, pair.prompt, pair.rejected), abs=1e-4)


def test_the_reference_is_the_base_or_the_adapter_before_training(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    model, _ = tiny
    [pair] = some_pairs(1)
    of_base = by_hand(model, pair.prompt, pair.chosen)
    adapted = stirred(with_lora(model, PLAN))
    of_adapter = by_hand(adapted, pair.prompt, pair.chosen)
    save_adapter(adapted, tmp_path)
    resumed = with_adapter(adapted.unload(), tmp_path, PLAN)
    with resumed.disable_adapter():
        assert log_probs_of(resumed, [pair], 1)[0][0] == pytest.approx(of_base, abs=1e-4)
    assert log_probs_of(resumed, [pair], 1)[0][0] == pytest.approx(of_adapter, abs=1e-4)
    assert of_base != pytest.approx(of_adapter, abs=1e-2)
    assert all(value.requires_grad == ("lora" in name) for name, value in resumed.named_parameters())


def test_the_loss_is_that_of_the_formula(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    pairs = some_pairs(3)
    examples = examples_of(tiny[0], pairs)
    step = one_step(tiny, examples, tmp_path, beta=0.7, sft_weight=0.3)
    model = stirred(with_lora(tiny[0], PLAN))
    preference, sft, kl, margins = [], [], [], []
    for pair, example in zip(pairs, examples, strict=True):
        chosen, rejected = by_hand(model, pair.prompt, pair.chosen), by_hand(model, pair.prompt, pair.rejected)
        margin = 0.7 * (sum(chosen) - sum(example.chosen) - sum(rejected) + sum(example.rejected))
        margins.append(margin)
        preference.append(math.log1p(math.exp(-margin)))
        sft.append(-sum(chosen) / len(chosen))
        for found, reference in ((chosen, example.chosen), (rejected, example.rejected)):
            kl.append(sum(math.exp(r - f) - 1 - (r - f) for f, r in zip(found, reference, strict=True)))
    expected = {
        "preference": sum(preference) / 3,
        "sft": sum(sft) / 3,
        "loss": sum(preference) / 3 + 0.3 * sum(sft) / 3,
        "kl": sum(kl) / 6,
        "margin": sum(margins) / 3,
        "accuracy": sum(margin > 0 for margin in margins) / 3,
    }
    for name, value in expected.items():
        assert step[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
        assert step["first"][name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert step["reward_chosen"] - step["reward_rejected"] == pytest.approx(step["margin"], abs=1e-5)


def test_batching_changes_nothing(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    examples = examples_of(tiny[0], some_pairs(8))
    whole = one_step(tiny, examples, tmp_path / "whole", micro_batch=8)
    apart = one_step(tiny, examples, tmp_path / "apart", micro_batch=1)
    again = one_step(tiny, examples, tmp_path / "again", micro_batch=2, save_memory=True)
    for other in (apart, again):
        for name in ("loss", "preference", "sft", "kl", "margin", "grad_norm", "logp_chosen", "logp_rejected"):
            assert other[name] == pytest.approx(whole[name], rel=1e-4), name


def test_a_swapped_pair_mirrors_the_preference(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    [example] = examples_of(tiny[0], some_pairs(1))
    pair = example.pair
    swapped = Example(Pair(pair.prompt, pair.rejected, pair.chosen), example.rejected, example.chosen)
    there = one_step(tiny, [example], tmp_path / "there", sft_weight=0.0)
    back = one_step(tiny, [swapped], tmp_path / "back", sft_weight=0.0)
    assert back["margin"] == pytest.approx(-there["margin"], rel=1e-4)
    # −log σ(m) and −log σ(−m) differ by m.
    assert back["preference"] - there["preference"] == pytest.approx(there["margin"], rel=1e-4)
    assert math.exp(-there["preference"]) + math.exp(-back["preference"]) == pytest.approx(1, abs=1e-5)


def test_without_beta_nothing_is_preferred(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    examples = examples_of(tiny[0], some_pairs(4))
    faint = [one_step(tiny, examples, tmp_path / str(b), beta=b, sft_weight=0.0) for b in (0.0, 1e-4, 1e-2)]
    assert faint[0]["preference"] == pytest.approx(math.log(2), abs=1e-6)
    assert faint[0]["grad_norm"] == pytest.approx(0, abs=1e-9)
    assert faint[1]["preference"] == pytest.approx(math.log(2), abs=1e-3)
    assert 0 < faint[1]["grad_norm"] < 0.02 * faint[2]["grad_norm"]


def test_gradients_reach_both_answers_through_the_shared_prompt(tiny: tuple[Any, Any]) -> None:
    """The gradient is that of two sequences of their own."""
    model = stirred(with_lora(tiny[0], PLAN))
    [pair] = some_pairs(1, seed=4)
    answers = read_answers(model, lay_out([pair]))
    chosen, rejected = answers.log_probs.sum(dim=1)
    (-logsigmoid(chosen - rejected)).backward()
    packed = gradients(model)
    model.zero_grad()
    sums = []
    for answer in (pair.chosen, pair.rejected):
        logits = model(input_ids=torch.tensor([[*pair.prompt, *answer]])).logits[0, len(pair.prompt) - 1 : -1]
        sums.append(logits.log_softmax(dim=1).gather(1, torch.tensor(answer)[:, None]).sum())
    (-logsigmoid(sums[0] - sums[1])).backward()
    apart = gradients(model)
    assert packed.keys() == apart.keys()
    assert all(torch.allclose(packed[name], apart[name], atol=1e-4) for name in apart)
    assert any(value.abs().max() > 1e-3 for value in apart.values())


LEVELS = {"stern": 2.5, "sweet": 4.5}
"""What a refined persona may say of a planted user, and the ratings that it then predicts."""
OLD = 3.5
"""What the old persona predicts."""
WINDOWS, SIZE = 3, 10


def planted_contexts(first: int, last: int) -> list[tuple[Prompt, dict[str, float]]]:
    """Of each planted user a prompt to refine at k = 1, and the rewards of all directions.

    The oracle predictor knows what a persona's word means, and the rewards are r_prev + r_curr + r_fut on the ratings
    as they were planted, without noise.
    """
    planted = plant_users(last, WINDOWS, seed=5, size=SIZE)
    ratings = [row["rating"] for row in planted.behaviour.to_pylist()]
    contexts: list[tuple[Prompt, dict[str, float]]] = []
    for number, truth in enumerate(planted.truth.to_pylist()):
        if number < first:
            continue
        expected = np.array(truth["expected"]).reshape(WINDOWS, SIZE)
        current = ratings[number * WINDOWS * SIZE :][SIZE : 2 * SIZE]
        shown = "".join(str(round(rating)) for rating in sorted(current))
        before = np.abs(expected - OLD).mean(axis=1)
        rewards = {word: float((before - abs(expected - level).mean(axis=1)).sum()) for word, level in LEVELS.items()}
        contexts.append((Prompt("plain", shown), rewards))
    return contexts


def share_of_better(model: Any, encode: Encoder, contexts: list[tuple[Prompt, dict[str, float]]]) -> float:
    """The probability, among both directions, of the one with a positive reward, where there is one.

    Contexts where it is the one weigh as much as those where it is the other, so that it takes reading to be better
    than chance.
    """
    shares: dict[str, list[float]] = {word: [] for word in LEVELS}
    for prompt, rewards in contexts:
        pair = encode(prompt, *LEVELS)
        [scores] = log_probs_of(model, [pair], 1)
        likely = torch.tensor([sum(answer) for answer in scores]).softmax(dim=0)
        for word, share in zip(LEVELS, likely, strict=True):
            if rewards[word] > 0:
                shares[word].append(float(share))
    return float(np.mean([np.mean(found) for found in shares.values()]))


def test_better_directions_become_likelier_for_planted_users(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    """On users that the training has not seen."""
    model, tokenizer = tiny
    steps, batch = 60, 16
    plan = TrainingPlan(steps, batch, batch, 1e-2, 5, 8, 16, "all", 1000, 1000, seed=1)
    encode = Encoder(tokenizer)
    contexts = planted_contexts(0, 160)
    pairs = [
        encode(prompt, chosen, rejected)
        for prompt, rewards in contexts
        for chosen, rejected in permutations(LEVELS, 2)
        if rewards[chosen] > 0 > rewards[rejected]
    ]
    rng = Random(1)
    used = [rng.choice(pairs) for _ in range(steps * batch)]
    known = dict(zip(pairs, examples_of(model, pairs), strict=True))
    held_out = planted_contexts(160, 200)
    before = share_of_better(model, encode, held_out)
    model = with_lora(model, plan)
    train_dpo(model, tokenizer, [known[pair] for pair in used], [], plan, Objective(0.2, 0.1), tmp_path, quiet)
    after = share_of_better(model, encode, held_out)
    assert 0.4 < before < 0.6
    assert after > 0.8
