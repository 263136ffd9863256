"""Packed sequences against one sequence for each item and label."""

import copy

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from deeper.engine.label_tree import LabelTree, label_tree
from deeper.engine.torch.packed_labels import label_log_probs, pack

END = 9
HALVES = label_tree([(1,), (1, 2), (1, 2, 3), (4,), (5, 6), (5, 7)], END)
DIGITS = label_tree([(1,), (2,), (3,)], END)
PROMPTS = [
    ((11, 12, 13), ((14,), (15, 16, 17), (18, 14)), HALVES),
    ((21,), ((22, 23), (24,)), DIGITS),
    ((), ((11, 12), (13,)), HALVES),
]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.5, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def one_by_one(model: LlamaForCausalLM, prompt: tuple[int, ...], tree: LabelTree) -> list[float]:
    scores = []
    for path in tree.paths:
        behind = model(torch.tensor([[*prompt, *path]])).logits[0].log_softmax(dim=-1)
        scores.append(sum(behind[len(prompt) - 1 + depth, token].item() for depth, token in enumerate(path)))
    return scores


@pytest.mark.parametrize("case", range(len(PROMPTS)))
def test_scores_equal_those_of_each_prompt_alone(model: LlamaForCausalLM, case: int) -> None:
    prefix, tails, tree = PROMPTS[case]
    [scores] = label_log_probs(model, [pack(prefix, tails, tree)])
    assert scores.shape == (len(tails), len(tree.paths))
    expected = [one_by_one(model, (*prefix, *tail), tree) for tail in tails]
    torch.testing.assert_close(scores, torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_batch_gives_what_each_gives_alone(model: LlamaForCausalLM) -> None:
    packed = [pack(*prompt) for prompt in PROMPTS]
    for together, one in zip(label_log_probs(model, packed), packed, strict=True):
        torch.testing.assert_close(together, label_log_probs(model, [one])[0], atol=1e-5, rtol=0)


def test_gradients_equal_those_of_each_item_alone(model: LlamaForCausalLM) -> None:
    prefix, tails, tree = PROMPTS[0]
    weight = model.model.layers[0].self_attn.q_proj.weight

    def gradient(*batches: tuple[tuple[int, ...], ...]) -> torch.Tensor:
        model.zero_grad()
        for part in batches:
            label_log_probs(model, [pack(prefix, part, tree)])[0].sum().backward()
        assert weight.grad is not None
        return weight.grad.clone()

    together, apart = gradient(tails), gradient(*((tail,) for tail in tails))
    assert together.abs().max() > 1e-3
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_a_model_in_bfloat16_does_not_round_the_logits(model: LlamaForCausalLM) -> None:
    coarse = copy.deepcopy(model).bfloat16()
    prompt = (11, 12, 13, 14)
    [scores] = label_log_probs(coarse, [pack(prompt[:3], (prompt[3:],), DIGITS)])
    hidden = coarse.model(torch.tensor([prompt])).last_hidden_state[0, -1].float()
    exact = (coarse.lm_head.weight.float() @ hidden).log_softmax(dim=0)
    torch.testing.assert_close(scores[0], exact[1:4], atol=1e-3, rtol=0)
